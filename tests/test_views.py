"""Views: the same pixels in any batch, the same augmentation at any size, torchvision's definitions."""

import math

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional

from transfer_atlas.images import augmentations
from transfer_atlas.images.views import Views, augment, draw_numbers

RECIPE = [
    {"name": "RandomHorizontalFlip"},
    {"name": "RandomVerticalFlip"},
    {"name": "RandomResizedCrop", "scale": [0.4, 1.0]},
    {"name": "RandomAffine", "degrees": 15, "translate": [0.1, 0.2], "scale": [0.8, 1.2], "p": 0.5},
    {"name": "ColorJitter", "brightness": 0.8, "contrast": 0.8, "saturation": 0.8, "hue": 0.2, "p": 0.8},
    {"name": "RandomGrayscale", "p": 0.2},
    {"name": "GaussianBlur", "sigma": [0.005, 0.05], "p": 0.5},
    {"name": "RandomSolarize", "threshold": 0.6, "p": 0.2},
    {"name": "RandomErasing"},
]
IDS = [f"train/{number:08d}" for number in range(40)]
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 24, 24, 3), dtype=np.uint8)


def smooth_images(side):
    """Four images in colour, each a sum of waves, as uint8 [4, side, side, 3]."""
    places = (torch.arange(side) + 0.5) / side
    waves = [torch.sin(2 * math.pi * (k * places[:, None] + (3 - k) * places[None, :] + k / 5)) for k in range(3)]
    colours = torch.stack([0.5 + 0.45 * wave for wave in waves], dim=2)
    return (255 * torch.stack([colours, colours.flip(2), 1 - colours, colours**2])).round().to(torch.uint8)


def test_a_view_depends_on_seed_image_and_number_alone():
    def view(number, seed=0, images=slice(None)):
        return Views(PIXELS, IDS, 3, RECIPE, seed).batch(number, images)

    assert torch.equal(view(0), torch.from_numpy(PIXELS))
    assert torch.equal(view(1), view(1))
    assert not torch.equal(view(1), view(2))
    assert not torch.equal(view(1), view(1, seed=1))


@pytest.mark.parametrize("transform", [[transform | {"p": 1.0}] for transform in RECIPE] + [RECIPE])
def test_an_image_has_the_same_pixels_in_any_batch(transform):
    views = Views(PIXELS, IDS, 2, transform, seed=0)
    whole = views.batch(1, slice(None))
    assert whole.dtype == torch.uint8
    assert whole.shape == PIXELS.shape
    for size in (1, 7, 16):
        batches = [views.batch(1, slice(start, min(start + size, 40))) for start in range(0, 40, size)]
        assert torch.equal(torch.cat(batches), whole)
    assert torch.equal(views.batch(1, np.array([7, 3, 21])), whole[[7, 3, 21]])


def test_each_transform_is_applied_to_its_share():
    numbers = draw_numbers([{"name": "RandomGrayscale"}], [f"i/{n}" for n in range(4000)], 1, 0)
    assert numbers.shape == (4000, 1)
    pixels = torch.zeros(4000, 2, 2, 3, dtype=torch.uint8)
    pixels[..., 0] = 255
    grey = augment(pixels, [{"name": "RandomGrayscale", "p": 0.3}], numbers)[:, 0, 0, 1] > 0
    assert grey.float().mean().item() == pytest.approx(0.3, abs=0.03)


def test_a_view_leaves_the_random_numbers_of_others_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    Views(PIXELS, IDS, 2, RECIPE, seed=0).batch(1, slice(None))
    assert torch.equal(before, torch.get_rng_state())


SPATIAL = [
    {"name": "RandomResizedCrop", "scale": [0.3, 0.9]},
    {"name": "RandomAffine", "degrees": 20, "translate": [0.2, 0.1], "scale": [0.8, 1.25]},
    {"name": "RandomHorizontalFlip", "p": 1.0},
    {"name": "GaussianBlur", "sigma": [0.02, 0.05]},
    {"name": "RandomErasing", "p": 1.0},
]


@pytest.mark.parametrize("transform", SPATIAL, ids=lambda transform: transform["name"])
def test_models_of_two_sizes_see_the_same_augmentation(transform):
    numbers = draw_numbers([transform], IDS[:4], 1, 0)
    small, large = (augment(smooth_images(side), [transform], numbers).float() for side in (48, 96))
    halved = large.unflatten(2, (48, 2)).unflatten(1, (48, 2)).mean(dim=(2, 4))
    unchanged = (smooth_images(48).float() - small).abs().mean()
    # edges of black areas differ by up to a pixel of the smaller image
    assert (small - halved).abs().mean() < min(4, unchanged / 3)


def test_colours_are_torchvisions():
    image = smooth_images(32).permute(0, 3, 1, 2) / 255
    ours = augmentations.color_jitter
    half = torch.full((4, 4), 0.5)
    for name, adjust, factor in (
        ("brightness", functional.adjust_brightness, 1.4),
        ("contrast", functional.adjust_contrast, 0.5),
        ("saturation", functional.adjust_saturation, 1.6),
        ("hue", functional.adjust_hue, 0.15),
    ):
        changed = ours(image, half, **{name: [factor, factor]})
        torch.testing.assert_close(changed, adjust(image, factor), atol=4e-3, rtol=0)
    torch.testing.assert_close(
        augmentations.grayscale(image, None), functional.rgb_to_grayscale(image, 3), atol=1e-3, rtol=0
    )


def test_a_factor_lies_within_what_the_option_says():
    flat = torch.full((1000, 3, 2, 2), 0.25)
    numbers = draw_numbers([{"name": "ColorJitter"}], [f"i/{n}" for n in range(1000)], 1, 0)[:, 1:]
    factors = augmentations.color_jitter(flat, numbers, brightness=0.8)[:, 0, 0, 0] / 0.25
    assert 0.2 <= factors.min() < 0.25
    assert 1.75 < factors.max() <= 1.8


def test_places_are_torchvisions():
    image = smooth_images(40).permute(0, 3, 1, 2) / 255
    half = torch.full((4, 4), 0.5)
    # a quarter of the area, in the middle
    cropped = augmentations.resized_crop(image, half, scale=(0.25, 0.25), ratio=(1, 1))
    expected = functional.resized_crop(image, 10, 10, 20, 20, [40, 40], antialias=False)
    torch.testing.assert_close(cropped[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2], atol=1e-4, rtol=0)
    moved = augmentations.affine(
        image, half, degrees=(30, 30), translate=((0.1, 0.1), (-0.2, -0.2)), scale=(1.25, 1.25)
    )
    bilinear = functional.InterpolationMode.BILINEAR
    expected = functional.affine(image, 30, [4, -8], 1.25, [0, 0], interpolation=bilinear)
    torch.testing.assert_close(moved, expected, atol=1e-4, rtol=0)
    blurred = augmentations.gaussian_blur(image, half[:, :1], sigma=(0.05, 0.05))
    torch.testing.assert_close(blurred, functional.gaussian_blur(image, 13, [2.0, 2.0]), atol=2e-3, rtol=0)


def test_a_box_is_erased_where_its_numbers_say():
    image = torch.ones(1, 3, 10, 10)
    erased = augmentations.erasing(image, torch.tensor([[0.5, 0.5, 0.0, 1.0]]), scale=(0.04, 0.04), ratio=(1, 1))
    expected = image.clone()
    expected[:, :, :2, 8:] = 0
    assert torch.equal(erased, expected)


def test_flips_are_those_that_torchvision_draws():
    """With the view's seed as torch's own: studies that only flip keep their results."""
    from torchvision.transforms import v2

    from transfer_atlas.images.views import view_seed

    view = Views(PIXELS, IDS, 2, [{"name": "RandomHorizontalFlip"}], seed=5).batch(1, slice(None))
    with torch.random.fork_rng(devices=[]):
        for number, image in enumerate(IDS):
            torch.manual_seed(view_seed(5, image, 1))
            flipped = v2.RandomHorizontalFlip()(torch.from_numpy(PIXELS[number]).permute(2, 0, 1))
            assert torch.equal(view[number], flipped.permute(1, 2, 0))
