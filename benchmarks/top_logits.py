"""What it costs to keep the largest logits alone: python benchmarks/top_logits.py, after the study cifar100_all_pairs.

    snakemake --cores 2 results/cifar100_all_pairs/transfers.parquet --configfile config/cifar100.yaml config/cifar100_given.yaml \
        config/cifar100_search/all_pairs.yaml

Two students learn from two teachers each, from all 100 logits and from the k largest of student and teacher, by the
study's recipe otherwise.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from transfer_atlas.images.pixels import open_pixels
from transfer_atlas.images.views import Views
from transfer_atlas.logits.inference import infer_batches
from transfer_atlas.logits.storage import TopLogits, open_logits, storage_type, to_storage
from transfer_atlas.store.tables import read_table
from transfer_atlas.study.config import load_schema
from transfer_atlas.study.sheet import read_zoo
from transfer_atlas.transfer.lessons import Imitation
from transfer_atlas.transfer.loop import train_epochs
from transfer_atlas.transfer.losses import imitation
from transfer_atlas.transfer.spec import TransferSpec
from transfer_atlas.zoo.build import build_model

STUDY, SHEET, GEOMETRY, CLASSES = (
    Path("results/cifar100_all_pairs"),
    "config/cifar100_zoo.tsv",
    "32px-1-center-bilinear",
    100,
)
PAIRS = [
    ("test_vit.long", "test_resnet.long"),
    ("test_vit.long", "gmlp.short"),
    ("mixer.plain", "test_convnext.short"),
    ("mixer.plain", "mobilenetv3_small.plain"),
]
KEPT = (5, 10, 20, 0)
METHODS = {"kl": {"target": "teacher"}, "kl_dp": {"target": "most_confident", "confidence": "label"}}
RECIPE = {"epochs": 3, "batch_size": 64, "lr": 1e-4, "momentum": 0.9, "weight_decay": 1e-4, "batch_norm": "frozen"}


def keep(logits, top):
    """Stored logits as a file of the k largest would give them."""
    kind, _ = storage_type(CLASSES, top)
    if kind.names is None:
        return logits
    return TopLogits(np.stack([to_storage(torch.from_numpy(np.array(view)).float(), kind) for view in logits]))


def accuracy(model, pixels, labels):
    """Share of the evaluation images that is right."""
    parts = [
        logits.argmax(dim=1).numpy() for _, logits in infer_batches(model, pixels.__getitem__, len(pixels), 500, "cpu")
    ]
    return (np.concatenate(parts) == labels).mean()


def main():
    """One row per number of kept logits, means over pairs."""
    if not STUDY.exists():
        print(f"{STUDY}: not there; its command stands above")
        return
    torch.set_num_threads(2)
    zoo = read_zoo(SHEET, load_schema("workflow/schemas/zoo.schema.yaml"), {})
    index = read_table(STUDY / "images/transfer.parquet")
    views = Views(
        open_pixels(STUDY / f"pixels/transfer/{GEOMETRY}.npy"), index["image"], 2, [{"name": "RandomHorizontalFlip"}], 0
    )
    pixels = open_pixels(STUDY / f"pixels/evaluation/{GEOMETRY}.npy")
    labels = read_table(STUDY / "images/evaluation.parquet")["label"].to_numpy()
    rows = []
    for student, teacher in PAIRS:
        own, theirs = (open_logits(STUDY / f"logits/transfer/{model}.npy") for model in (student, teacher))
        frozen, known = (torch.from_numpy(np.array(logits[0])).float() for logits in (own, theirs))
        exact = imitation(frozen, known, 1.0)
        for top in KEPT:
            cut_own, cut = keep(own, top), keep(theirs, top)
            error = (imitation(frozen, torch.from_numpy(np.array(cut[0, slice(None)])).float(), 1.0) - exact).abs()
            row = {"top": top or CLASSES, "error": (error.mean() / exact.mean()).item()}
            for method, how in METHODS.items():
                model = build_model(zoo[student], CLASSES, 32, zoo[student]["weights"])
                before = accuracy(model, pixels, labels)
                spec = TransferSpec(method, student, teacher, 0, **RECIPE, **how)
                lesson = Imitation(spec, model, views, index["label"], cut_own, cut)
                train_epochs(spec, lesson, index["label"], "cpu")
                row[method] = 100 * (accuracy(model, pixels, labels) - before)
            rows.append(row)
    table = pd.DataFrame(rows)
    for method in METHODS:
        every = table[table["top"] == CLASSES][method].to_numpy().repeat(len(KEPT))
        table[f"{method}: largest difference to all"] = (table[method] - every).abs()
    means = table.groupby("top").agg({"error": "mean"} | dict.fromkeys(METHODS, "mean"))
    most = table.groupby("top").max()[[f"{method}: largest difference to all" for method in METHODS]]
    size = [storage_type(CLASSES, top)[0].itemsize if top < CLASSES else 2 * CLASSES for top in means.index]
    means.insert(0, "bytes", size)
    names = {"error": "error of the KL loss (share)", "kl": "kl: delta (points)", "kl_dp": "kl_dp: delta (points)"}
    print(means.rename(columns=names).join(most).round(4).to_markdown())


if __name__ == "__main__":
    main()
