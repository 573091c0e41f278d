"""Deterministic augmented views of images: a view is a few numbers, and its pixels are made where they are looked at."""

import hashlib

import numpy as np
import torch

from transfer_atlas.images.augmentations import AUGMENTATIONS


def view_seed(seed, image, view):
    """Seed of one augmented view: a pure function of study seed, image id and view number."""
    digest = hashlib.blake2b(f"{seed}/{image}/{view}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


class Views:
    """All views of a split, made batch by batch on the device that looks at them.

    The same view of an image has the same pixels in any batch, and the same augmentation in every geometry.
    """

    def __init__(self, pixels, images, count, transforms, seed):
        """Describe the views; nothing is made.

        Args:
            pixels: uint8 [images, side, side, 3], the evaluation crops, which are view 0.
            images: ids of the images.
            count: number of views.
            transforms: list of {name, p, **options} (images.augmentations), applied in order, each to a share p of the
                images; of views 1, 2, ...
            seed: seed of the study.
        """
        self.pixels, self.images, self.count = pixels, np.asarray(images), count
        self.transforms, self.seed = transforms, seed

    def __len__(self):
        """Number of views."""
        return self.count

    def batch(self, view, rows, device="cpu"):
        """Pixels of some images in one view, uint8 [rows, side, side, 3] on `device`.

        Args:
            view: number of the view.
            rows: slice, or int [rows].
            device: where they are made.
        """
        pixels = torch.from_numpy(np.array(self.pixels[rows]))
        if torch.device(device).type == "cuda":
            pixels = pixels.pin_memory()
        pixels = pixels.to(device, non_blocking=True)
        if view == 0 or not self.transforms:
            return pixels
        numbers = draw_numbers(self.transforms, self.images[rows], view, self.seed).to(device)
        return augment(pixels, self.transforms, numbers)


def draw_numbers(transforms, images, view, seed):
    """The random numbers that make one view of some images, float32 [images, numbers], uniform in 0 to 1.

    Args:
        transforms: as in `Views`; each takes one number for whether it is applied, and then its own.
        images: ids.
        view: number of the view.
        seed: seed of the study.
    """
    width = sum(1 + AUGMENTATIONS[transform["name"]].numbers for transform in transforms)
    numbers, generator = torch.empty(len(images), width), torch.Generator()
    for row, image in zip(numbers, images, strict=True):
        generator.manual_seed(view_seed(seed, image, view))
        torch.rand(width, generator=generator, out=row)
    return numbers


def augment(pixels, transforms, numbers):
    """Apply the transforms with given random numbers.

    Args:
        pixels: uint8 [images, side, side, 3].
        transforms: as in `Views`.
        numbers: of `draw_numbers`, on the device of the pixels.

    Returns:
        uint8 [images, side, side, 3].
    """
    images = pixels.permute(0, 3, 1, 2).float() / 255
    for transform in transforms:
        kind = AUGMENTATIONS[transform["name"]]
        options = {key: value for key, value in transform.items() if key not in ("name", "p")}
        chance, own, numbers = numbers[:, 0], numbers[:, 1 : 1 + kind.numbers], numbers[:, 1 + kind.numbers :]
        chosen = chance < transform.get("p", kind.p)
        if chosen.any():
            images[chosen] = kind.apply(images[chosen], own[chosen], **options).clamp(0, 1)
    return (255 * images).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
