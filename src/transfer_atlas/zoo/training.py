"""Training a zoo model from scratch on the study's own images, to the end of its schedule as public models are."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional
from tqdm import tqdm

from transfer_atlas.errors import InputError
from transfer_atlas.zoo.build import Input, build_model, logits_of


@dataclass(frozen=True)
class TrainingRecipe:
    """Everything that distinguishes how two zoo models are trained; fields as in config/README.md."""

    lr: float
    epochs: int
    optimizer: str
    batch_size: int
    weight_decay: float
    label_smoothing: float
    flip: bool
    shift: int
    seed: int


def train_zoo_model(row, recipe, classes, input_size, pixels, labels, device, on_error):
    """Build one model of the zoo and train it.

    Args:
        row: row of the zoo sheet.
        recipe: training recipe of the config, a dict.
        classes: number of classes.
        input_size: side of the input in pixels.
        pixels: as in `train_model`.
        labels: as in `train_model`.
        device: where to train.
        on_error: `exclude` gives no weights for a model that cannot be built.

    Returns:
        (weights, reason): the state dict, and None; or no weights and the reason.

    Raises:
        InputError: the model cannot be built (on_error: fail).
    """
    recipe = TrainingRecipe(**recipe)
    try:
        model = build_model({**row, "weights": "random"}, classes, input_size, seed=recipe.seed)
    except InputError as error:
        if on_error == "fail":
            raise
        return {}, str(error)
    return train_model(model, pixels, labels, recipe, device).state_dict(), None


def train_model(model, pixels, labels, recipe, device):
    """Train `model` in place with a one-cycle schedule that ends at learning rate 0.

    Args:
        model: freshly initialised network, [images, 3, size, size] -> [images, classes].
        pixels: uint8 [images, size, size, 3].
        labels: int [images].
        recipe: the training recipe.
        device: where to train.

    Returns:
        The trained model, in eval mode.
    """
    generator = np.random.default_rng(recipe.seed)
    torch.manual_seed(recipe.seed)  # dropout and stochastic depth
    model, to_input = model.to(device).train(), Input(model).to(device)
    labels = torch.as_tensor(np.asarray(labels), dtype=torch.long)
    optimizer = _optimizer(model, recipe)
    batches_per_epoch = max(1, len(labels) // recipe.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=recipe.lr, epochs=recipe.epochs, steps_per_epoch=batches_per_epoch, pct_start=0.2
    )
    for epoch in range(recipe.epochs):
        order, losses = generator.permutation(len(labels)), []
        steps = tqdm(np.array_split(order, batches_per_epoch), desc=f"epoch {epoch + 1}/{recipe.epochs}", mininterval=2)
        for batch in steps:
            images = torch.from_numpy(augment(pixels[batch], recipe, generator))
            logits = logits_of(model(to_input(images)))  # [batch, classes]
            here = labels[batch].to(device)
            loss = functional.cross_entropy(logits, here, label_smoothing=recipe.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.detach())
        print(f"epoch {epoch + 1}: mean cross-entropy {torch.stack(losses).mean():.4f}")
    return model.eval()


def _optimizer(model, recipe):
    # foreach: all parameters in one call, as torch does on a GPU anyway
    options = {"lr": recipe.lr, "weight_decay": recipe.weight_decay, "foreach": True}
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), momentum=0.9, nesterov=True, **options)
    return torch.optim.AdamW(model.parameters(), **options)


def augment(pixels, recipe, generator):
    """Flip and shift each image of a batch at random; uint8 [images, height, width, 3] in and out."""
    if recipe.flip:
        flipped = generator.random(len(pixels)) < 0.5
        pixels = np.where(flipped[:, None, None, None], pixels[:, :, ::-1], pixels)
    if recipe.shift:
        pixels = _shift(pixels, recipe.shift, generator)
    return np.ascontiguousarray(pixels)


def _shift(pixels, largest, generator):
    images, height, width, _ = pixels.shape
    margin = (largest, largest)
    padded = np.pad(pixels, ((0, 0), margin, margin, (0, 0)), mode="edge")
    down, right = generator.integers(0, 2 * largest + 1, size=(2, images, 1))
    rows, columns = down + np.arange(height), right + np.arange(width)
    return padded[np.arange(images)[:, None, None], rows[:, :, None], columns[:, None, :]]
