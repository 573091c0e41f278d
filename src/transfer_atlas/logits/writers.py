"""Logits and features of all views on disk, written batch by batch; a killed job resumes with the next batch."""

from contextlib import contextmanager
from functools import partial

import torch

from transfer_atlas.logits.inference import check_finite, infer_batches
from transfer_atlas.logits.predictions import ClassMeans, prediction_columns, predictions_table
from transfer_atlas.logits.storage import storage_type, to_storage
from transfer_atlas.store.arrays import continued_array, new_array
from transfer_atlas.store.checkpoint import NoCheckpoint


def compute_logits(
    model, views, index, classes, batch_size, device, path, name, checkpoint=None, precision="float32", top_logits=0
):
    """Write the logits of all views, [views, images, classes], in the format of `to_storage`, batch by batch.

    With a checkpoint, an unfinished array stays beside it, and the next call continues with the batch after the last one saved.

    Args:
        model: network in eval mode on `device`.
        views: Views of the images.
        index: images table of the split.
        classes: number of classes.
        batch_size: images per forward pass.
        device: where the model is.
        path: .npy file to write.
        name: name of the model for messages.
        checkpoint: Checkpoint, or None to keep nothing.
        precision: as in `infer_batches`.
        top_logits: how many of the largest are kept, as in `storage_type`.

    Returns:
        (predictions, confusions) of view 0, from logits before rounding: the predictions table, and `ClassMeans.means`.

    Raises:
        InputError: a logit is NaN or infinite; no room on the disk.
        Stopped: the job was asked to stop; what it did is saved.
    """
    checkpoint = checkpoint or NoCheckpoint()
    kind, of_image = storage_type(classes, top_logits)
    with _array(path, kind, (len(views), len(index), *of_image), checkpoint) as (array, fresh):
        writer = LogitWriter(name, array, index["label"], classes)
        if not fresh:
            checkpoint.resume(writer)
        fill_views(writer, model, views, batch_size, device, checkpoint, precision)
    return writer.predictions(index), writer.means.means()


@contextmanager
def _array(path, kind, shape, checkpoint):
    """Yield the array to fill, and whether it is a new one."""
    if checkpoint.path is None:
        with new_array(path, kind, shape) as array:
            yield array, True
    else:
        with continued_array(path, checkpoint.path.with_suffix(".npy"), kind, shape) as (array, fresh):
            yield array, fresh


def fill_views(writer, model, views, batch_size, device, checkpoint, precision="float32"):
    """Show a model all views, from where `writer` stands; the other arguments are those of `compute_logits`.

    Raises:
        InputError: a logit or feature is NaN or infinite.
        Stopped: the job was asked to stop; the finished batches are saved.
    """
    images = writer.array.shape[1]
    for view in range(writer.view, len(views)):
        pixels_of = partial(views.batch, view, device=device)
        for rows, values in infer_batches(model, pixels_of, images, batch_size, device, writer.step, precision):
            writer.add(rows, values)
            checkpoint.step(writer)
        writer.end_view()
        checkpoint.step(writer)


class FeatureWriter:
    """Writes a model's features into an array; a Checkpoint saves how far it has come."""

    what = "features"

    def __init__(self, model, array):
        """Start at view 0 of an array [views, images, features]; `step` counts the finished batches of the view."""
        self.model, self.array, self.view, self.step = model, array, 0, 0

    def add(self, rows, values):
        """Write one batch, float32 [rows, features], of a slice of the images."""
        check_finite(values, rows, self.model, self.what, self.view)
        self.array[self.view, rows] = self.to_storage(values)
        self.step += 1

    def to_storage(self, values):
        """A batch in the format of the array: float16."""
        return values.half().numpy()

    def end_view(self):
        """Start the next view."""
        self.view, self.step = self.view + 1, 0

    @property
    def done(self):
        """How far the model has come, in words."""
        return f"{self.view} views and {self.step} batches"

    def state_dict(self):
        """View and step; the batches that they count are flushed to the disk first."""
        self.array.flush()
        return {"view": self.view, "step": self.step}

    def load_state_dict(self, saved):
        """Continue from `saved`."""
        self.view, self.step = saved["view"], saved["step"]


class LogitWriter(FeatureWriter):
    """Writes a model's logits, and collects the predictions and class means of view 0."""

    what = "logits"

    def __init__(self, model, array, labels, classes):
        """Start as `FeatureWriter` does; `labels` are the labels of the images, `classes` is the number of classes."""
        super().__init__(model, array)
        self.labels, self.columns, self.means = labels, {}, ClassMeans(classes)

    def to_storage(self, values):
        """A batch in the format of the array (logits.storage)."""
        return to_storage(values, self.array.dtype)

    def add(self, rows, values):
        """Write one batch of logits, float32 [rows, classes]."""
        super().add(rows, values)
        if self.view == 0:
            labels = self.labels[rows]
            for name, column in prediction_columns(values, labels).items():
                self.columns.setdefault(name, []).append(column)
            self.means.add(values, labels)

    def predictions(self, index):
        """The predictions table of view 0."""
        return predictions_table(index, {name: torch.cat(column) for name, column in self.columns.items()})

    def state_dict(self):
        """Tensors and numbers."""
        columns = {name: torch.cat(column) for name, column in self.columns.items()}
        means = {"sums": self.means.sums, "counts": self.means.counts}
        return super().state_dict() | {"columns": columns, "means": means}

    def load_state_dict(self, saved):
        """Continue from `saved`."""
        super().load_state_dict(saved)
        self.columns = {name: [column] for name, column in saved["columns"].items()}
        self.means.sums, self.means.counts = saved["means"]["sums"], saved["means"]["counts"]
