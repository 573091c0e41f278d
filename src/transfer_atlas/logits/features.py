"""One model's features of the transfer images, for the contrasts that some transfers are taught by."""

from pathlib import Path

import numpy as np

from transfer_atlas.logits.inference import Stored, fill_views
from transfer_atlas.store.arrays import continued_array, save_array
from transfer_atlas.store.checkpoint import Checkpoint, checkpoint_of, describe_files, stop_on_signals
from transfer_atlas.store.tables import exclusion
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
        stored = Stored(model.row["model"], array)
        if not fresh:
            checkpoint.resume(stored)
        fill_views(stored, Features(network), views, batch_size, device, checkpoint, model.inference["precision"])
    checkpoint.remove()
