"""Make the embedded Fashion-MNIST subset again from the original idx files.

    apt-get install dataset-fashion-mnist
    python src/transfer_atlas/datasets/fashion_mnist/make.py /usr/share/datasets/fashion-mnist

Writes train.parquet (8,000 images, stratified by class, seed 0) and test.parquet (all 10,000) beside this
script in the Hugging Face layout: struct column `image` with PNG bytes, integer column `label`, class names in
the schema metadata.
"""

import gzip
import io
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from transfer_atlas.images import stratified_subset

CLASSES = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
]


def read_idx(path, header):
    """Read an idx file as a flat uint8 array without its header."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header)


def encode(image):
    """Encode a grey uint8 [28, 28] image as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png", optimize=True)
    return {"bytes": buffer.getvalue(), "path": None}


def main(source, target):
    """Convert both splits."""
    feature = {"image": {"_type": "Image"}, "label": {"names": CLASSES, "_type": "ClassLabel"}}
    schema = pa.schema(
        [("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("label", pa.int64())],
        metadata={"huggingface": json.dumps({"info": {"features": feature}})},
    )
    for prefix, name, size in [("train", "train", 8000), ("t10k", "test", 10000)]:
        images = read_idx(source / f"{prefix}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
        labels = read_idx(source / f"{prefix}-labels-idx1-ubyte.gz", 8)
        index = pd.DataFrame({"row": np.arange(len(labels)), "label": labels.astype(np.int64)})
        chosen = stratified_subset(index, size, seed=0)
        columns = {"image": [encode(images[row]) for row in chosen["row"]], "label": chosen["label"]}
        pq.write_table(pa.table(columns, schema=schema), target / f"{name}.parquet", compression="none")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).parent)
