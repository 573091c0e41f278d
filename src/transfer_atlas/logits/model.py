"""A model of the zoo with all that its logits depend on."""

from dataclasses import dataclass, field

import torch

from transfer_atlas.images.views import Views
from transfer_atlas.zoo.build import build_model


@dataclass(frozen=True, kw_only=True)
class StudyModel:
    """A model and how a study shows it images.

    Attributes:
        row: row of the zoo sheet.
        classes: number of classes.
        input_size: side of the input in pixels.
        weights: weights file, or None where timm fetches those of the hub.
        inference: dict of precision and top_logits (config section `inference`); training is in float32.
        device: where the model is.
        transforms: augmentations of the views, as in `images.views.Views`.
        seed: seed of the study, from which the views are drawn.
    """

    row: dict
    classes: int
    input_size: int
    weights: str | None
    inference: dict
    device: torch.device
    transforms: list = field(default_factory=list)
    seed: int = 0

    @property
    def name(self):
        """Name of the model in the zoo sheet."""
        return self.row["model"]

    @property
    def batch_size(self):
        """Number of images in a forward pass without gradients."""
        return self.row["inference_batch_size"]

    @property
    def precision(self):
        """Number format of a forward pass without gradients."""
        return self.inference["precision"]

    def build(self):
        """A fresh copy of the network with its weights, in eval mode, on the CPU."""
        return build_model(self.row, self.classes, self.input_size, self.weights)

    def views(self, pixels, images, count):
        """`count` views of images, given their decoded pixels and their ids."""
        return Views(pixels, images, count, self.transforms, self.seed)

    def settings(self):
        """All that the logits depend on apart from files; the batch size changes none of them."""
        return {
            "row": {key: value for key, value in self.row.items() if key != "inference_batch_size"},
            "classes": self.classes,
            "input_size": self.input_size,
            "transforms": self.transforms,
            "seed": self.seed,
            "inference": self.inference,
        }
