"""Batches asked whole against the parts that they are asked in on the CPU: python benchmarks/cpu_parts.py.

Networks of timm on 64 images of 224 pixels, a batch of 64; in turns, on as many threads as the machine has.
"""

import time
from unittest.mock import patch

import numpy as np
import pandas as pd
import timm

from transfer_atlas.logits import inference

MODELS = ("mobilenetv3_small_100", "efficientnet_b0", "resnet50", "convnext_tiny", "vit_small_patch16_224")
IMAGES, SIDE, ROUNDS = 64, 224, 3
WAYS = {"whole": IMAGES * SIDE**2, "in parts": inference.CPU_PIXELS}


def ask(model, pixels, most):
    """Seconds of one batch, asked `most` pixels at a time."""
    start = time.perf_counter()
    with patch.object(inference, "CPU_PIXELS", most):
        for _ in inference.infer_batches(model, pixels.__getitem__, IMAGES, IMAGES, "cpu"):
            pass
    return time.perf_counter() - start


def main():
    """Medians of rounds in turns."""
    pixels, rows = np.random.default_rng(0).integers(0, 256, (IMAGES, SIDE, SIDE, 3), dtype=np.uint8), []
    for name in MODELS:
        model = timm.create_model(name).eval()
        seconds = {way: [] for way in WAYS}
        for _ in range(ROUNDS):
            for way, most in WAYS.items():
                seconds[way].append(ask(model, pixels, most))
        row = {way: float(np.median(taken)) for way, taken in seconds.items()}
        rows.append(
            {
                "model": name,
                **{f"{way} (s)": taken for way, taken in row.items()},
                "ratio": row["whole"] / row["in parts"],
            }
        )
    print(pd.DataFrame(rows).round(2).to_markdown(index=False))


if __name__ == "__main__":
    main()
