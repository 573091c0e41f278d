"""Logits and predictions of one model for all splits of a study, or the reason why it has none."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from transfer_atlas.errors import DiskError, InputError
from transfer_atlas.images.pixels import PassingPixels, open_pixels
from transfer_atlas.images.readers import open_images
from transfer_atlas.logits.writers import compute_logits
from transfer_atlas.store.arrays import save_array
from transfer_atlas.store.checkpoint import Checkpoint, checkpoint_of, describe_files, stop_on_signals
from transfer_atlas.store.provenance import Provenance
from transfer_atlas.store.tables import fingerprint, read_table, write_excluded, write_table
from transfer_atlas.zoo.weights import exclusion_of_weights


@dataclass(frozen=True)
class Split:
    """Files of one split: its images table and pixels, and where the logits and predictions go.

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


def write_logits(model, splits, confusions, on_error, minutes, code):
    """Show one model the images of all splits, and write its logits and predictions.

    Args:
        model: StudyModel.
        splits: dict of split to Split.
        confusions: .npy file to write: `ClassMeans.means` of the split `evaluation`.
        on_error: `exclude` leaves a model without usable logits out of the study: its tables have no rows.
        minutes: time between two checkpoints.
        code: digest of the code that computes the logits.

    Raises:
        InputError: the model cannot be built, or a logit is not finite (on_error: fail).
        Stopped: a signal asked for it; the next call resumes.
    """
    provenance, stop = Provenance(**model.settings()), stop_on_signals()
    identity = model.settings() | {"row": model.row, "code": code}
    identity |= {"device": model.device.type, "torch": str(torch.__version__)}
    checkpoints = {name: _checkpoint(split, model, identity, minutes, stop) for name, split in splits.items()}
    try:
        if reason := exclusion_of_weights(model.weights):
            raise InputError(reason)
        network = model.build().to(model.device)
        for name, split in splits.items():
            means = _write_split(model, network, split, checkpoints[name], provenance)
            if name == "evaluation":
                save_array(confusions, means)
    except InputError as error:
        if on_error == "fail" or isinstance(error, DiskError):
            raise
        print(f"excluded: {error}")
        for name, split in splits.items():
            checkpoints[name].remove()
            save_array(split.logits, np.empty((0, 0, 0), np.float16))
            write_excluded("predictions", split.predictions, str(error), provenance.record(model.device))
        save_array(confusions, np.empty((0, 0), np.float32))


def _checkpoint(split, model, identity, minutes, stop):
    files = [path for path in (model.weights, split.index, split.pixels) if path]
    identity = identity | {"views": split.views, "files": describe_files(files)}
    return Checkpoint(checkpoint_of(split.logits, Path(split.logits).parents[2]), identity, minutes, stop)


def _write_split(model, network, split, checkpoint, provenance):
    """Write logits and predictions of one split; returns `ClassMeans.means`."""
    index = read_table(split.index)
    views = model.views(split.open(index), index["image"], split.views)
    predictions, means = compute_logits(
        network,
        views,
        index,
        model.classes,
        model.batch_size,
        model.device,
        split.logits,
        model.name,
        checkpoint,
        **model.inference,
    )
    record = {**provenance.record(model.device), "fingerprint": fingerprint(index["image"], index["label"])}
    write_table(predictions, "predictions", split.predictions, record)
    checkpoint.remove()
    return means
