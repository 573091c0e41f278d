"""One model's features of the transfer images, for the contrasts that some transfers are taught by."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from transfer_atlas.checkpoint import Checkpoint, checkpoint_of, describe_files, stop_on_signals
from transfer_atlas.errors import InputError
from transfer_atlas.files import continued_array, save_array
from transfer_atlas.logits.inference import infer_batches
from transfer_atlas.tables import exclusion
from transfer_atlas.zoo.build import Input
from transfer_atlas.zoo.features import Features, feature_length


def store_features(model, output, minutes, code):
    """Write the features of all views of the transfer images, float16 [views, images, features].

    Args:
        model: the model and its files, as a Student has them; one that was left out of the study has no features.
        output: .npy file to write, features/transfer/<model>.npy.
        minutes: time between two checkpoints.
        code: digest of the code that makes the numbers.

    Raises:
        InputError: the model is not one of timm's; a feature is not finite.
        Stopped: a signal asked for it; the next call goes on.
    """
    if exclusion(model.predictions):
        save_array(output, np.empty((0, 0, 0), np.float16))
        return
    identity = model.settings() | {"files": describe_files(model.files()), "code": code, "device": model.device.type}
    checkpoint = Checkpoint(checkpoint_of(output, Path(output).parents[2]), identity, minutes, stop_on_signals())
    network, views, device = model.build().to(model.device), model.transfer_views, model.device
    length = feature_length(network, Input(network).to(device)(views.batch(0, np.arange(1), device)))
    shape, batch_size = (len(views), len(views.images), length), model.row["inference_batch_size"]
    with continued_array(output, checkpoint.path.with_suffix(".npy"), np.float16, shape) as (array, fresh):
        stored, ask = Stored(array), partial(infer_batches, Features(network), precision=model.inference["precision"])
        if not fresh:
            checkpoint.resume(stored)
        while stored.view < len(views):
            pixels_of = partial(views.batch, stored.view, device=device)
            for rows, features in ask(pixels_of, len(views.images), batch_size, device, stored.step):
                stored.add(rows, features)
                checkpoint.step(stored)
            stored.end_view()
            checkpoint.step(stored)
    checkpoint.remove()


@dataclass
class Stored:
    """How far the features have come; a Checkpoint saves it."""

    array: np.ndarray
    view: int = 0
    step: int = 0

    def add(self, rows, features):
        """Store one batch of the view, float32 [rows, features]."""
        if not torch.isfinite(features).all():
            raise InputError(f"features of image {rows.start} or after, view {self.view}, are not finite")
        self.array[self.view, rows] = features.half().numpy()
        self.step += 1

    def end_view(self):
        """The next view begins."""
        self.view, self.step = self.view + 1, 0

    @property
    def done(self):
        """In words."""
        return f"{self.view} views and {self.step} batches"

    def state_dict(self):
        """Numbers; what they speak of is on the disk before they are."""
        self.array.flush()
        return {"view": self.view, "step": self.step}

    def load_state_dict(self, saved):
        """Go on where `saved` stands."""
        self.view, self.step = saved["view"], saved["step"]
