"""What the listing of an image folder costs at each start: names and sizes of 100,000 files in 100 class folders.

Run from the repository's root: python benchmarks/image_listing.py
"""

import tempfile
import time
from pathlib import Path

from transfer_atlas.study.contents import Contents

CLASSES, IMAGES = 100, 1000  # per class


def main():
    with tempfile.TemporaryDirectory() as folder:
        for name in range(CLASSES):
            path = Path(folder) / f"n{name:08d}"
            path.mkdir()
            for number in range(IMAGES):
                (path / f"{number:08d}.JPEG").write_bytes(b"x")
        started = time.perf_counter()
        Contents(Path(folder) / "cache.json").of_images([folder])
        seconds = time.perf_counter() - started
    print(f"{CLASSES * IMAGES:,} files: {seconds:.2f} s, {seconds * 1e6 / (CLASSES * IMAGES):.1f} s per million")


if __name__ == "__main__":
    main()
