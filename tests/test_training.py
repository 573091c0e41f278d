"""Training zoo models."""

import numpy as np
import torch
from conftest import infer

from transfer_atlas.zoo.build import build_model
from transfer_atlas.zoo.training import TrainingRecipe, augment, train_model

RECIPE = TrainingRecipe(
    lr=0.003,
    epochs=30,
    optimizer="adamw",
    batch_size=20,
    weight_decay=0.0,
    label_smoothing=0.0,
    flip=False,
    shift=0,
    seed=0,
)
GENERATOR = np.random.default_rng(0)
PIXELS = GENERATOR.integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
LABELS = np.arange(40) % 4


def trained(row):
    torch.manual_seed(0)
    return train_model(build_model(row, 4, 32), PIXELS, LABELS, RECIPE, "cpu")


def test_a_model_learns_and_the_seed_decides_it_to_the_bit(vit_row):
    model = trained(vit_row)
    logits = infer(model, PIXELS, 40)
    assert (logits.argmax(dim=1).numpy() == LABELS).mean() > 0.9
    assert torch.equal(logits, infer(trained(vit_row), PIXELS, 40))


def test_augmentation_flips_and_shifts_whole_images():
    class Drawn:
        def random(self, images):
            return np.array([0.1, 0.9])

        def integers(self, low, high, size):
            assert (low, high, size) == (0, 3, (2, 2, 1))
            return np.array([[[1], [0]], [[1], [2]]])  # down, right: first image stays, second moves

    pixels = PIXELS[:2]
    moved = augment(pixels, TrainingRecipe(**{**RECIPE.__dict__, "flip": True, "shift": 1}), Drawn())
    assert np.array_equal(moved[0], pixels[0][:, ::-1])
    assert np.array_equal(moved[1][1:, :-1], pixels[1][:-1, 1:])
