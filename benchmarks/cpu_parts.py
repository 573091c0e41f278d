"""Batches asked whole against the parts that they are asked in on the CPU: python benchmarks/cpu_parts.py.

Networks of timm on a batch of 64 images of 224 pixels, and small networks on a batch of 500 images of 32; in turns, on as many
threads as the machine has, small images on one.
"""

from functools import partial
from unittest.mock import patch

import numpy as np
import pandas as pd
import timm
import torch
from turns import seconds_in_turns

from transfer_atlas.logits import inference

ROUNDS, NO_LIMIT = 3, 2**60
LARGE = ("mobilenetv3_small_100", "efficientnet_b0", "resnet50", "convnext_tiny", "vit_small_patch16_224")
SMALL = ("test_resnet", "test_efficientnet", "test_mambaout", "mobilenetv3_small_050", "test_coatnet")
SETS = [(LARGE, 224, 64, torch.get_num_threads()), (SMALL, 32, 500, 1)]
WAYS = {"whole": (NO_LIMIT, NO_LIMIT), "in parts": (inference.CPU_PIXELS, inference.CPU_IMAGES)}


def ask(model, pixels, most_pixels, most_images):
    """Ask one batch in parts of so many pixels and images at most."""
    with patch.multiple(inference, CPU_PIXELS=most_pixels, CPU_IMAGES=most_images):
        for _ in inference.infer_batches(model, pixels.__getitem__, len(pixels), len(pixels), "cpu"):
            pass


def main():
    """Medians of rounds in turns."""
    rows = []
    for names, side, images, threads in SETS:
        torch.set_num_threads(threads)
        pixels = np.random.default_rng(0).integers(0, 256, (images, side, side, 3), dtype=np.uint8)
        for name in names:
            model = timm.create_model(name, **({"img_size": side} if name == "test_coatnet" else {})).eval()
            row = seconds_in_turns({way: partial(ask, model, pixels, *limits) for way, limits in WAYS.items()}, ROUNDS)
            times = {f"{way} (s)": taken for way, taken in row.items()}
            rows.append({"model": name, "pixels": side, **times, "ratio": row["whole"] / row["in parts"]})
    print(pd.DataFrame(rows).round(2).to_markdown(index=False))


if __name__ == "__main__":
    main()
