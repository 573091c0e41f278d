"""Whether float16 logits change what a student learns: one transfer from nine starts, logits in both formats.

Of the finished embedded study: its student that reacts most to rounding. Run from the repository's root:

    python benchmarks/rounding.py
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from transfer_atlas.logits.inference import infer_batches
from transfer_atlas.store.checkpoint import NoCheckpoint
from transfer_atlas.store.tables import read_metadata
from transfer_atlas.transfer.block import run_transfer
from transfer_atlas.transfer.spec import TransferSpec
from transfer_atlas.transfer.student import Student, Teacher
from transfer_atlas.zoo.build import build_model

RESULTS, STUDENT, TEACHERS = Path("results/embedded"), "mobilenetv3_small.plain", ("test_resnet.long", "test_vit.long")
ARCHITECTURES = {"test_resnet.long": {}, "test_vit.long": {"patch_size": 8}}
STARTS = 9


def main():
    torch.set_num_threads(2)
    for name in TEACHERS:
        recipe = read_metadata(RESULTS / f"transfers/kl_dp/{STUDENT}/{name}/0.parquet")["recipe"]
        spec = TransferSpec(**recipe.pop("spec"))
        (pixels,) = (RESULTS / "pixels/transfer").glob("*.npy")
        student = open_student(recipe, pixels)
        teacher = Teacher(RESULTS / f"logits/transfer/{name}.npy", RESULTS / f"predictions/evaluation/{name}.parquet")
        for kind in ("float16", "float32"):
            if kind == "float32":
                row = recipe["row"] | {"architecture": name.split(".")[0], "kwargs": ARCHITECTURES[name], "model": name}
                network = build_model(
                    row, recipe["classes"], recipe["input_size"], RESULTS / f"weights/{name}.safetensors"
                )
                # read before they are computed from the files
                student.__dict__["logits"] = infer(student.build(), student.transfer_views)
                teacher.__dict__["logits"] = infer(network, student.transfer_views)
            deltas = [
                100 * delta_of(replace(spec, perturb_weights=1e-7, seed=n), student, teacher) for n in range(STARTS)
            ]
            print(f"{name} {kind}: mean {np.mean(deltas):+.2f} points, standard deviation {np.std(deltas, ddof=1):.2f}")


def open_student(recipe, pixels):
    recipe["row"]["inference_batch_size"] = 500
    files = {
        "weights": RESULTS / f"weights/{STUDENT}.safetensors",
        "index": RESULTS / "images/transfer.parquet",
        "transfer_pixels": pixels,
        "evaluation_pixels": RESULTS / "pixels/evaluation" / pixels.name,
        "stored_logits": RESULTS / f"logits/transfer/{STUDENT}.npy",
        "predictions": RESULTS / f"predictions/evaluation/{STUDENT}.parquet",
    }
    return Student(count=recipe.pop("views"), device=torch.device("cpu"), **recipe, **files)


def infer(network, views):
    """Logits of all views, float32 [views, images, classes]."""
    return np.stack([
        np.concatenate([
            logits.numpy()
            for _, logits in infer_batches(
                network, lambda rows, view=view: views.batch(view, rows, "cpu"), len(views.pixels), 500, "cpu"
            )
        ])
        for view in range(len(views))
    ])  # fmt: skip


def delta_of(spec, student, teacher):
    row, _ = run_transfer(spec, student, teacher, NoCheckpoint())
    return row["delta"]


if __name__ == "__main__":
    main()
