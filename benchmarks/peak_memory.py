"""Peak memory of asking a model about a split, against the number of images: python benchmarks/peak_memory.py.

One process per line asks timm's test_vit about images, and keeps the largest RssAnon of /proc/self/status, the memory
that is its own: pages of mapped files are the system's to drop. The last line has as many images and views as the
paper's study, small ones.
"""

import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pandas as pd

CLASSES, BATCH = 1000, 64
SPLITS = ((500, 224, 3), (2000, 224, 3), (8000, 224, 3), (128_117, 32, 8))  # images, pixels a side, views


def anonymous_memory():
    """Of this process, in MiB."""
    return int(re.search(r"RssAnon:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def ask(count, side, views, folder):
    """Ask the model about a split and print the memory before it and at its peak."""
    import numpy as np
    import torch

    from transfer_atlas.images.views import Views
    from transfer_atlas.logits.writers import compute_logits
    from transfer_atlas.store.arrays import new_array
    from transfer_atlas.zoo.build import build_model

    torch.set_num_threads(1)
    row = {"model": "test_vit.t", "architecture": "test_vit", "kwargs": {"img_size": side}, "weights": "random"}
    model = build_model(row, CLASSES, side)
    with new_array(folder / "pixels.npy", np.uint8, (count, side, side, 3)):
        pass
    pixels = np.load(folder / "pixels.npy", mmap_mode="r")
    index = pd.DataFrame({"image": [f"train/{n:08d}" for n in range(count)], "label": np.arange(count) % CLASSES})
    shown = Views(pixels, index["image"], views, [{"name": "RandomHorizontalFlip"}], 0)
    before, peak, done = anonymous_memory(), [0.0], threading.Event()

    def watch():
        while not done.wait(0.02):
            peak[0] = max(peak[0], anonymous_memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    compute_logits(model, shown, index, CLASSES, BATCH, "cpu", folder / "logits.npy", "test_vit.t")
    done.set()
    watcher.join()
    print(before, peak[0], count * side**2 * 3 * views / 2**20)


def main():
    """One process per split, as a table."""
    rows = []
    for count, side, views in SPLITS:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, *map(str, (count, side, views)), folder]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        before, peak, all_views = map(float, done.stdout.split())
        rows.append(
            {
                "images": count,
                "pixels": side,
                "views": views,
                "all views (MiB)": all_views,
                "before (MiB)": before,
                "peak (MiB)": peak,
            }
        )
    print(pd.DataFrame(rows).round(0).astype(int).to_markdown(index=False))


if __name__ == "__main__":
    if sys.argv[1:]:
        ask(*map(int, sys.argv[1:4]), Path(sys.argv[4]))
    else:
        main()
