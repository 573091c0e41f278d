"""Asking models about images: ours against a loop as timm's validate.py has it: python benchmarks/inference.py.

One run, the same JPEGs of 500 pixels and the same small models of timm at 64 and 160 pixels, in turns, for one thread and two.
The loop decodes and crops in a DataLoader with as many workers as threads, anew for each model. Ours decodes once for
all models, stores every logit and the predictions, and reads them again for nothing.
"""

import itertools
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import timm
import torch
from PIL import Image
from timm.data import create_dataset, create_loader, resolve_data_config
from turns import seconds_in_turns

from transfer_atlas.images.image_folder import ImageFolder
from transfer_atlas.images.index import read_index
from transfer_atlas.images.pixels import decode_images, open_pixels
from transfer_atlas.images.views import Views
from transfer_atlas.logits.writers import compute_logits

IMAGES, CLASSES, SIDES, BATCH, ROUNDS = 512, 10, (64, 160), 64, 3
MODELS = ("test_resnet", "test_vit", "test_efficientnet", "test_convnext", "test_mambaout")
GEOMETRY = {"crop_pct": 0.95, "crop_mode": "center", "interpolation": "bicubic"}


def write_images(root, size=(500, 375)):
    """Photograph-like JPEGs, a folder per class."""
    generator = np.random.default_rng(0)
    for number in range(IMAGES):
        coarse = Image.fromarray(generator.integers(0, 256, (24, 32, 3), dtype=np.uint8))
        folder = root / f"n{number % CLASSES:08d}"
        folder.mkdir(exist_ok=True)
        coarse.resize(size, Image.Resampling.BICUBIC).save(folder / f"{number}.jpg", quality=90)


def loop(root, models, side, threads):
    """What timm's validate.py does for each model."""
    for model in models:
        config = resolve_data_config({"crop_pct": GEOMETRY["crop_pct"]}, model=model)
        loader = create_loader(
            create_dataset("", root=str(root)),
            input_size=(3, side, side),
            batch_size=BATCH,
            is_training=False,
            use_prefetcher=False,
            num_workers=threads,
            **{key: config[key] for key in ("interpolation", "mean", "std", "crop_pct")},
        )
        with torch.inference_mode():
            for images, labels in loader:
                (model(images).argmax(dim=1) == labels).sum()


def ours(root, models, side, threads, folder, decoding):
    """Decode once, ask each model, store what it says; the seconds that decoding took are added to `decoding`."""
    start = time.perf_counter()
    reader = ImageFolder(str(root), str(root), None)
    index = read_index(reader, "evaluation", CLASSES)
    decode_images(reader.encoded(index), len(index), GEOMETRY | {"input_size": side}, folder / "p.npy", threads)
    decoded = time.perf_counter() - start
    views = Views(open_pixels(folder / "p.npy"), index["image"], 1, [], 0)
    for number, model in enumerate(models):
        compute_logits(model, views, index, CLASSES, BATCH, "cpu", folder / f"{number}.npy", "m")
    decoding.append(decoded)


def main():
    """Ratios of medians, per number of models and threads."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        root, folder = Path(scratch) / "val", Path(scratch)
        root.mkdir()
        write_images(root)
        for side, threads in itertools.product(SIDES, (1, 2)):
            torch.set_num_threads(threads)
            models = [timm.create_model(name, num_classes=CLASSES).eval() for name in MODELS]
            for some in (models[:1], models):
                decoding = []
                runs = {
                    "loop": partial(loop, root, some, side, threads),
                    "ours": partial(ours, root, some, side, threads, folder, decoding),
                }
                seconds = seconds_in_turns(runs, ROUNDS)
                rows.append(
                    {
                        "pixels": side,
                        "models": len(some),
                        "threads": threads,
                        "loop (s)": seconds["loop"],
                        "ours (s)": seconds["ours"],
                        "ratio": seconds["loop"] / seconds["ours"],
                        "decoding's share of ours": np.median(decoding) / seconds["ours"],
                    }
                )
    print(pd.DataFrame(rows).round(2).to_markdown(index=False))


if __name__ == "__main__":
    main()
