"""Augmentations of a batch, each image by random numbers of its own, in units that do not depend on its size.

Names and options are torchvision's (transforms.v2); lengths are shares of the side of the evaluation crop, so that models
of different input sizes see the same augmentation. Colours follow torchvision's definitions in the order brightness,
contrast, saturation, hue, which torchvision shuffles. Images are float32 [images, 3, side, side], 0 to 1.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional
from torchvision.transforms.v2 import functional as v2


@dataclass(frozen=True)
class Augmentation:
    """One kind of augmentation.

    Attributes:
        apply: function of images, float32 [images, numbers] uniform in 0 to 1, and options, to images.
        numbers: random numbers that an image takes.
        p: share of the images that it is applied to, where the config does not say.
    """

    apply: Callable
    numbers: int = 0
    p: float = 1.0


def horizontal_flip(images, numbers):
    """Mirror left and right."""
    return v2.horizontal_flip(images)


def vertical_flip(images, numbers):
    """Mirror top and bottom."""
    return v2.vertical_flip(images)


def resized_crop(images, numbers, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3)):
    """Stretch a box to the whole image: its share of the area, and width over height; a side ends at that of the image."""
    area, shape, down, right = numbers.unbind(1)
    height, width = _box(area, shape, scale, ratio)
    across, below = 2 * (1 - width) * right - (1 - width), 2 * (1 - height) * down - (1 - height)
    nothing = torch.zeros_like(width)
    return _sample(images, (width, nothing, across), (nothing, height, below))


def affine(images, numbers, degrees=0, translate=(0, 0), scale=(1, 1)):
    """Turn by degrees, shift by shares of the side and zoom, all about the centre; black where nothing was."""
    turn, across, below, zoom = numbers.unbind(1)
    angle = torch.deg2rad(_between(turn, _span(degrees, 0)))
    zoom = _between(zoom, scale)
    across, below = 2 * _between(across, _span(translate[0], 0)), 2 * _between(below, _span(translate[1], 0))
    cosine, sine = angle.cos() / zoom, angle.sin() / zoom
    # from a place in the result back to the place in the image
    first = (cosine, sine, -cosine * across - sine * below)
    return _sample(images, first, (-sine, cosine, sine * across - cosine * below))


def color_jitter(images, numbers, brightness=0, contrast=0, saturation=0, hue=0):
    """Brightness, contrast, saturation (factors: 1 - x to 1 + x, or a pair) and hue (turns of the colour circle)."""
    from kornia import enhance  # half a second that other recipes need not pay

    steps = (
        (enhance.adjust_brightness_accumulative, _factors(brightness), 1),
        (enhance.adjust_contrast_with_mean_subtraction, _factors(contrast), 1),
        (enhance.adjust_saturation_with_gray_subtraction, _factors(saturation), 1),
        (enhance.adjust_hue, _span(hue, 0), 2 * math.pi),
    )
    for (adjust, (low, high), unit), number in zip(steps, numbers.unbind(1), strict=True):
        if (low, high) not in ((1, 1), (0, 0)):
            images = adjust(images, unit * _between(number, (low, high)))
    return images


def grayscale(images, numbers):
    """Luma (ITU-R 601) in all three channels."""
    return v2.rgb_to_grayscale(images, 3)


def gaussian_blur(images, numbers, sigma=(0.0005, 0.009)):
    """Blur with a standard deviation in shares of the side; the default is torchvision's 0.1 to 2 pixels at 224."""
    from kornia.filters import gaussian_blur2d

    side = images.shape[-1]
    reach = min(math.ceil(3 * max(sigma) * side), side - 1)
    widths = (side * _between(numbers, sigma)).expand(-1, 2)
    return gaussian_blur2d(images, 2 * reach + 1, widths)


def erasing(images, numbers, scale=(0.02, 0.33), ratio=(0.3, 3.3)):
    """Black out a box: its share of the area, and width over height."""
    area, shape, down, right = (number[:, None] for number in numbers.unbind(1))
    height, width = _box(area, shape, scale, ratio)
    centres = (torch.arange(images.shape[-1], device=images.device) + 0.5) / images.shape[-1]
    rows = (centres >= (1 - height) * down) & (centres < (1 - height) * down + height)
    columns = (centres >= (1 - width) * right) & (centres < (1 - width) * right + width)
    return images.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0)


def solarize(images, numbers, threshold=0.5):
    """Turn values from `threshold` up into their negative."""
    return v2.solarize(images, threshold)


AUGMENTATIONS = {
    "RandomHorizontalFlip": Augmentation(horizontal_flip, p=0.5),
    "RandomVerticalFlip": Augmentation(vertical_flip, p=0.5),
    "RandomResizedCrop": Augmentation(resized_crop, 4),
    "RandomAffine": Augmentation(affine, 4),
    "ColorJitter": Augmentation(color_jitter, 4),
    "RandomGrayscale": Augmentation(grayscale, p=0.1),
    "GaussianBlur": Augmentation(gaussian_blur, 1),
    "RandomErasing": Augmentation(erasing, 4, p=0.5),
    "RandomSolarize": Augmentation(solarize, p=0.5),
}


def _between(number, bounds):
    return bounds[0] + (bounds[1] - bounds[0]) * number


def _span(value, centre):
    """A pair as it is; a number as that much to either side."""
    return tuple(value) if isinstance(value, list | tuple) else (centre - value, centre + value)


def _factors(value):
    low, high = _span(value, 1)
    return max(0, low), high


def _box(area, shape, scale, ratio):
    """Height and width of a box in shares of the side."""
    area, shape = _between(area, scale), _between(shape, (math.log(ratio[0]), math.log(ratio[1]))).exp()
    return (area / shape).sqrt().clamp(max=1), (area * shape).sqrt().clamp(max=1)


def _sample(images, to_column, to_row):
    """Look up each pixel of the result where three coefficients [images] of (x, y, 1) say, in -1 to 1; bilinear."""
    side = images.shape[-1]
    centres = (2 * torch.arange(side, device=images.device) + 1) / side - 1
    x, y = centres[None, None, :], centres[None, :, None]
    places = [a[:, None, None] * x + b[:, None, None] * y + c[:, None, None] for a, b, c in (to_column, to_row)]
    return functional.grid_sample(images, torch.stack(places, dim=3), align_corners=False)
