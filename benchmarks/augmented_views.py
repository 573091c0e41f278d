"""What the paper's augmentation costs, ours for a batch against torchvision's image by image: python benchmarks/augmented_views.py.

Both flip, distort colours and take colours away as config/imagenet.yaml says, on the same 224-pixel images, in turns.
"""

import numpy as np
import pandas as pd
import torch
import yaml
from torchvision.transforms import v2
from turns import seconds_in_turns

from transfer_atlas.images.views import Views, view_seed

SIDE, IMAGES, BATCH, ROUNDS = 224, 64, 16, 5


def torchvisions(transforms):
    """The same recipe in torchvision's words."""
    steps = []
    for transform in transforms:
        options = {key: value for key, value in transform.items() if key not in ("name", "p")}
        chance = transform.get("p")
        if transform["name"] == "ColorJitter":
            steps.append(v2.RandomApply([v2.ColorJitter(**options)], chance))
        else:
            steps.append(getattr(v2, transform["name"])(**options | ({"p": chance} if chance else {})))
    return v2.Compose(steps)


def main():
    """Milliseconds per image, for one thread and two."""
    with open("config/imagenet.yaml") as file:
        transforms = yaml.safe_load(file)["views"]["transforms"]
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, SIDE, SIDE, 3), dtype=np.uint8)
    ids = [f"train/{number:08d}" for number in range(IMAGES)]
    views, one_by_one = Views(pixels, ids, 2, transforms, 0), torchvisions(transforms)

    def ours():
        for start in range(0, IMAGES, BATCH):
            views.batch(1, slice(start, start + BATCH))

    def theirs():
        for number, image in enumerate(ids):
            torch.manual_seed(view_seed(0, image, 1))
            one_by_one(torch.from_numpy(pixels[number]).permute(2, 0, 1))

    rows = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        seconds = seconds_in_turns({"ours": ours, "torchvision": theirs}, ROUNDS, warm_up=1)
        found = {f"{name} (ms)": 1000 * taken / IMAGES for name, taken in seconds.items()}
        rows.append({"threads": threads, **found, "ratio": found["ours (ms)"] / found["torchvision (ms)"]})
    print(pd.DataFrame(rows).round(2).to_markdown(index=False))


if __name__ == "__main__":
    main()
