"""A step of a transfer from stored logits against the same step with three networks live: python benchmarks/transfer_step.py.

The student is a ResNet-18; the teacher another one, or a ResNet-101 with 4.3 times its multiply-accumulates. Live, the
teacher and the frozen student see each batch, as in the authors' code; beside both, plain fine-tuning on the labels.
One run, in turns, with the package's own training loop for stored logits and for the labels.
"""

import numpy as np
import pandas as pd
import timm
import torch
from turns import seconds_in_turns

from transfer_atlas.images.views import Views
from transfer_atlas.transfer.lessons import Imitation
from transfer_atlas.transfer.loop import set_mode, train_epochs
from transfer_atlas.transfer.losses import choose_target, transfer_losses
from transfer_atlas.transfer.spec import TransferSpec
from transfer_atlas.zoo.build import Input

IMAGES, SIDE, BATCH, CLASSES, ROUNDS = 256, 96, 32, 1000, 3
RECIPE = {"epochs": 1, "batch_size": BATCH, "lr": 1e-4, "momentum": 0.9, "weight_decay": 1e-4, "batch_norm": "frozen"}
DATA_PARTITIONING = {"target": "most_confident", "confidence": "label"}


def stored(views, labels, logits, **method):
    """An epoch of the package's own loop."""
    spec = TransferSpec("m", "s", "t", 0, **RECIPE, **method)
    lesson = Imitation(spec, timm.create_model("resnet18"), views, labels, logits, logits)
    train_epochs(spec, lesson, labels, "cpu")


def live(views, labels, teacher):
    """An epoch in which teacher and frozen student see every batch."""
    student, frozen = timm.create_model("resnet18"), timm.create_model("resnet18").eval()
    set_mode(student, "frozen")
    optimizer = torch.optim.SGD(student.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4)
    to_input, order = Input(student), np.random.default_rng(0).permutation(IMAGES)
    for batch in np.array_split(order, IMAGES // BATCH):
        images, here = to_input(views.batch(0, batch)), torch.from_numpy(labels[batch])
        with torch.no_grad():
            target, _ = choose_target("most_confident", "label", frozen(images), teacher(images), here)
        optimizer.zero_grad()
        transfer_losses(student(images), target, here, 0.0, 1.0).mean().backward()
        optimizer.step()


def main():
    """Seconds per step and ratios, medians of rounds in turns."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (IMAGES, SIDE, SIDE, 3), dtype=np.uint8)
    labels = generator.integers(0, CLASSES, IMAGES)
    logits = generator.normal(size=(1, IMAGES, CLASSES)).astype(np.float16)
    views = Views(pixels, [f"i/{n}" for n in range(IMAGES)], 1, [], 0)
    teachers = {name: timm.create_model(name).eval() for name in ("resnet18", "resnet101")}
    runs = {
        "stored logits": lambda: stored(views, labels, logits, **DATA_PARTITIONING),
        "labels alone": lambda: stored(views, labels, logits, label_weight=1.0),
        **{f"live, {name}": lambda teacher=teacher: live(views, labels, teacher) for name, teacher in teachers.items()},
    }
    rows = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        seconds = {name: taken / (IMAGES // BATCH) for name, taken in seconds_in_turns(runs, ROUNDS).items()}
        rows += [
            {
                "threads": threads,
                "step": name,
                "seconds": value,
                "against stored logits": value / seconds["stored logits"],
            }
            for name, value in seconds.items()
        ]
    print(pd.DataFrame(rows).round(2).to_markdown(index=False))


if __name__ == "__main__":
    main()
