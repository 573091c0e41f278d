"""Decoders of JPEG side by side, and what decoding a draft would change: python benchmarks/decoding.py [folder of images].

Photograph-like JPEGs of 500 x 375 and of 1000 x 750 pixels, decoded to RGB at full size by each decoder in turns, on one
thread and two. A draft is Pillow's decoding at half, a quarter or an eighth of the size, the smallest that is no smaller
than the resized image, whose short side is here 256: the smaller photographs have none. What it changes is asked of
EfficientNet-Lite with real weights (data/lite), on the images of a folder with a folder per class, or on the 20 of
data/lite; with 1,000 real images of one's own this is a measurement.
"""

import io
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import simplejpeg
import torch
from inference import write_images
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg
from turns import seconds_in_turns

from transfer_atlas.images.image_folder import ImageFolder
from transfer_atlas.images.index import read_index
from transfer_atlas.images.parquet_shards import ParquetShards
from transfer_atlas.images.pixels import evaluation_transform
from transfer_atlas.logits.inference import infer_batches
from transfer_atlas.study.config import load_schema
from transfer_atlas.study.sheet import geometry_of, read_zoo
from transfer_atlas.zoo.build import build_model

ROUNDS, RESIZED, SIZES, IMAGES = 5, 256, ((500, 375), (1000, 750)), 200
TRANSFORM = evaluation_transform(
    {"input_size": 224, "crop_pct": 0.875, "crop_mode": "center", "interpolation": "bicubic"}
)
ZOO = ("config/lite_zoo.tsv", load_schema("workflow/schemas/zoo.schema.yaml"), {})


def pillow(data):
    """What the workflow does."""
    return Image.open(io.BytesIO(data)).convert("RGB")


def draft(data, size=RESIZED):
    """A smaller image, from the coarse coefficients alone."""
    image = Image.open(io.BytesIO(data))
    image.draft("RGB", (size, size))
    return image.convert("RGB")


def by_torchvision(data):
    """A tensor, [3, height, width]."""
    return decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8), mode=ImageReadMode.RGB)


def cropped(data):
    """What the workflow does, the crop of timm's evaluation included."""
    return TRANSFORM(pillow(data))


DECODERS = {
    "Pillow": pillow,
    "Pillow, and resized": cropped,
    "simplejpeg": simplejpeg.decode_jpeg,
    "torchvision": by_torchvision,
    "Pillow, draft": draft,
}


def decode_all(pool, decode, images):
    """Decode all images on the threads of a pool."""
    for _ in pool.map(decode, images):
        pass


def time_decoders(size):
    """Images per second of each decoder, medians of rounds in turns."""
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder), size)
        images = [path.read_bytes() for path in sorted(Path(folder).rglob("*.jpg"))[:IMAGES]]
    torch.set_num_threads(1)
    rows = []
    for threads in (1, 2):
        with ThreadPoolExecutor(threads) as pool:
            runs = {name: partial(decode_all, pool, decode, images) for name, decode in DECODERS.items()}
            speed = {name: len(images) / taken for name, taken in seconds_in_turns(runs, ROUNDS).items()}
        rows += [
            {
                "pixels": "{} x {}".format(*size),
                "threads": threads,
                "decoder": name,
                "images/s": round(of),
                "against Pillow": of / speed["Pillow"],
            }
            for name, of in speed.items()
        ]
    return pd.DataFrame(rows)


def compare_drafts(images, labels):
    """What each EfficientNet-Lite predicts from drafts instead of the whole images."""
    rows, zoo = [], read_zoo(*ZOO)
    for name, row in zoo.items():
        geometry = geometry_of(row, {}, ZOO[0])
        model = build_model(row, 1000, geometry["input_size"], row["weights"])
        transform, resized = evaluation_transform(geometry), int(geometry["input_size"] / geometry["crop_pct"])
        predicted = []
        for decode in (pillow, lambda data, size=resized: draft(data, size)):
            pixels = np.stack([np.asarray(transform(decode(data))).transpose(1, 2, 0) for data in images])
            found = [logits for _, logits in infer_batches(model, pixels.__getitem__, len(pixels), 20, "cpu")]
            predicted.append(torch.cat(found).argmax(dim=1).numpy())
        whole, drafted = predicted
        rows.append(
            {
                "model": name,
                "images": len(images),
                "with a draft": sum(draft(data, resized).size != pillow(data).size for data in images),
                "accuracy (%)": 100 * (whole == labels).mean(),
                "of drafts (%)": 100 * (drafted == labels).mean(),
                "changed predictions (%)": 100 * (whole != drafted).mean(),
            }
        )
    return pd.DataFrame(rows)


def main():
    """Both tables."""
    print(pd.concat(map(time_decoders, SIZES)).round(2).to_markdown(index=False))
    if sys.argv[1:]:
        reader = ImageFolder(sys.argv[1], sys.argv[1], None)
    else:
        reader = ParquetShards(["data/lite/images.parquet"], "image", "label")
    index = read_index(reader, "evaluation", 1000)
    data = [data for _, data in reader.encoded(index)]
    print()
    print(compare_drafts(data, index["label"].to_numpy()).round(2).to_markdown(index=False))


if __name__ == "__main__":
    main()
