"""Stored features of one model, for the methods that compare features."""

from pathlib import Path

import numpy as np

from transfer_atlas.images.pixels import open_pixels
from transfer_atlas.logits.writers import FeatureWriter, fill_views
from transfer_atlas.store.arrays import continued_array, save_array
from transfer_atlas.store.checkpoint import Checkpoint, checkpoint_of, describe_files, stop_on_signals
from transfer_atlas.store.tables import exclusion, read_table
from transfer_atlas.zoo.build import Input
from transfer_atlas.zoo.features import Features, feature_length


def write_features(model, index, pixels, views, predictions, output, minutes, code):
    """Write the features of all views of the transfer images, float16 [views, images, features].

    Args:
        model: StudyModel.
        index: images table of the transfer images.
        pixels: decoded transfer images.
        views: number of views.
        predictions: predictions table of the model; where it says that the model was left out, the file has no features.
        output: .npy file to write, features/transfer/<model>.npy.
        minutes: time between two checkpoints.
        code: digest of the code that computes the features.

    Raises:
        InputError: the model is not one of timm's; a feature is not finite.
        Stopped: a signal asked for it; the next call resumes.
    """
    if exclusion(predictions):
        save_array(output, np.empty((0, 0, 0), np.float16))
        return
    files = describe_files([path for path in (model.weights, index, pixels) if path])
    identity = model.settings() | {"views": views, "files": files, "code": code, "device": model.device.type}
    checkpoint = Checkpoint(checkpoint_of(output, Path(output).parents[2]), identity, minutes, stop_on_signals())
    network = model.build().to(model.device)
    views = model.views(open_pixels(pixels), read_table(index)["image"], views)
    first = views.batch(0, np.arange(1), model.device)
    shape = len(views), len(views.images), feature_length(network, Input(network).to(model.device)(first))
    with continued_array(output, checkpoint.path.with_suffix(".npy"), np.float16, shape) as (array, fresh):
        writer = FeatureWriter(model.name, array)
        if not fresh:
            checkpoint.resume(writer)
        fill_views(writer, Features(network), views, model.batch_size, model.device, checkpoint, model.precision)
    checkpoint.remove()
