"""Features of a network: what its last layer takes as input."""

import torch
from torch import nn

from transfer_atlas.errors import InputError


def features_and_logits(model, pixels):
    """Pooled features, float [images, features], and logits, [images, classes], in one pass.

    Raises:
        InputError: the model is not one of timm's, which alone can be asked for both.
    """
    if not (hasattr(model, "forward_features") and hasattr(model, "forward_head")):
        raise InputError(f"{type(model).__name__} is not of timm: a contrast needs forward_features and forward_head")
    seen = model.forward_features(pixels)
    return model.forward_head(seen, pre_logits=True), model.forward_head(seen)


class Features(nn.Module):
    """A network whose output is its features in place of logits."""

    def __init__(self, model):
        super().__init__()
        self.model, self.pretrained_cfg = model, model.pretrained_cfg

    def forward(self, pixels):
        return features_and_logits(self.model, pixels)[0]


@torch.no_grad()
def feature_length(model, pixels):
    """How many features a network has; `pixels` are of any images, as it takes them."""
    return features_and_logits(model, pixels)[0].shape[1]
