"""One model answers all images of a study, or is left out of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from transfer_atlas.errors import DiskError, InputError
from transfer_atlas.images.pixels import PassingPixels, open_pixels
from transfer_atlas.images.readers import open_images
from transfer_atlas.images.views import Views
from transfer_atlas.logits.inference import compute_logits
from transfer_atlas.store.arrays import save_array
from transfer_atlas.store.checkpoint import Checkpoint, checkpoint_of, describe_files, stop_on_signals
from transfer_atlas.store.provenance import Provenance
from transfer_atlas.store.tables import fingerprint, read_table, write_excluded, write_table
from transfer_atlas.zoo.build import build_model, exclusion_of_weights


@dataclass(frozen=True)
class Split:
    """Paths of one split: its images table and pixels, and where the logits and predictions go.

    `pixels` is None where no decoded images are stored; `passing` then has the reader's config section `images`, and the
    `geometry` and `threads` to decode with.
    """

    views: int
    index: str
    pixels: str | None
    logits: str
    predictions: str
    passing: dict | None = None

    def open(self, index):
        """Pixels of the images of an images table, uint8 [images, size, size, 3]."""
        if self.pixels is not None:
            return open_pixels(self.pixels)
        reader = open_images(self.passing["images"], "evaluation")
        geometry, threads = self.passing["geometry"], self.passing["threads"]
        return PassingPixels(lambda first: reader.encoded(index.iloc[first:]), len(index), geometry, threads)


def answer_images(
    row, classes, input_size, weights, splits, confusions, transforms, seed, inference, on_error, device, minutes, code
):
    """Ask one model about the images of all splits, and write what it answers.

    Args:
        row: row of the zoo sheet.
        classes: number of classes.
        input_size: side of the input in pixels.
        weights: weights file, or None for the hub's.
        splits: dict of split to Split; the confusions are those of `evaluation`.
        confusions: .npy file of `ClassMeans.means` to write.
        transforms: as in `images.views.Views`.
        seed: seed of the study.
        inference: dict of precision and top_logits, as in `compute_logits`.
        on_error: `exclude` leaves a model that gives no usable answers out of the study: its tables have no rows.
        device: where to compute.
        minutes: time between two checkpoints.
        code: digest of the code that makes the numbers.

    Raises:
        InputError: the model cannot be built, or a logit is not finite (on_error: fail).
        Stopped: a signal asked for it; the next call goes on.
    """
    recipe = {"row": row, "transforms": transforms, "seed": seed, "inference": inference}
    provenance = Provenance(**recipe)
    settings = recipe | {"classes": classes, "input_size": input_size, "code": code}
    settings |= {"device": device.type, "torch": str(torch.__version__)}
    stop = stop_on_signals()
    checkpoints = {name: _open_checkpoint(split, settings, weights, minutes, stop) for name, split in splits.items()}
    try:
        reason = exclusion_of_weights(weights)
        if reason is not None:
            raise InputError(reason)
        model = build_model(row, classes, input_size, weights).to(device)
        for name, split in splits.items():
            means = _answer_split(model, recipe, classes, split, device, checkpoints[name], provenance)
            if name == "evaluation":
                save_array(confusions, means)
    except InputError as error:
        if on_error == "fail" or isinstance(error, DiskError):
            raise
        print(f"excluded: {error}")
        for name, split in splits.items():
            checkpoints[name].remove()
            _leave_out(split, str(error), provenance.record(device))
        save_array(confusions, np.empty((0, 0), np.float32))


def _leave_out(split, reason, record):
    save_array(split.logits, np.empty((0, 0, 0), np.float16))
    write_excluded("predictions", split.predictions, reason, record)


def _open_checkpoint(split, settings, weights, minutes, stop):
    files = [path for path in (weights, split.index, split.pixels) if path]
    identity = settings | {"views": split.views, "files": describe_files(files)}
    return Checkpoint(checkpoint_of(split.logits, Path(split.logits).parents[2]), identity, minutes, stop)


def _answer_split(model, recipe, classes, split, device, checkpoint, provenance):
    """Write logits and predictions of one split; returns `ClassMeans.means`."""
    row, index = recipe["row"], read_table(split.index)
    views = Views(split.open(index), index["image"], split.views, recipe["transforms"], recipe["seed"])
    name, batch_size, options = row["model"], row["inference_batch_size"], recipe["inference"]
    predictions, means = compute_logits(
        model, views, index, classes, batch_size, device, split.logits, name, checkpoint, **options
    )
    record = {**provenance.record(device), "fingerprint": fingerprint(index["image"], index["label"])}
    write_table(predictions, "predictions", split.predictions, record)
    checkpoint.remove()
    return means
