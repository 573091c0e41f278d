"""Inference: every model looks at every image once; all comparisons and transfers read its answers from disk."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from transfer_atlas.checkpoint import NoCheckpoint
from transfer_atlas.errors import InputError, one_line
from transfer_atlas.files import continued_array, new_array
from transfer_atlas.logits.storage import storage_type, to_storage
from transfer_atlas.zoo.build import Input


def infer_batches(model, pixels_of, images, batch_size, device, first=0, precision="float32"):
    """Yield (rows, logits) batch by batch: a slice of the images, and float32 [rows, classes] on the CPU.

    A batch that the device has no memory for is asked in halves, and so are those that follow.

    Args:
        model: network in eval mode on `device`.
        pixels_of: function of a slice of the images to their uint8 [rows, size, size, 3], a tensor or an array.
        images: number of images.
        batch_size: images per forward pass.
        device: where the model is.
        first: batch to begin with.
        precision: of the network's arithmetic: float32, or bfloat16 or float16 by autocast.

    Raises:
        InputError: the device has no memory for a single image.
    """
    ask, most = _answering(model, device, precision), batch_size
    starts = range(first * batch_size, images, batch_size)
    batches = [slice(start, min(start + batch_size, images)) for start in starts]
    # on the CPU the network needs the threads itself
    load = map if torch.device(device).type == "cpu" else read_ahead
    progress = tqdm(
        zip(batches, load(pixels_of, batches), strict=True), "infer", len(batches), unit="batch", mininterval=2
    )
    for rows, pixels in progress:
        logits, most = _within_memory(ask, pixels, most)
        yield rows, logits


def read_ahead(load, batches):
    """As `map`, but while one result is used the next is made by another thread."""
    with ThreadPoolExecutor(1) as reader:
        made = None
        for batch in batches:
            following = reader.submit(load, batch)
            if made is not None:
                yield made.result()
            made = following
        if made is not None:
            yield made.result()


def _answering(model, device, precision):
    """Function of pixels to logits on the CPU."""
    to_input, device = Input(model).to(device), torch.device(device)

    @torch.inference_mode()
    def ask(pixels):
        pixels = to_input(pixels if isinstance(pixels, torch.Tensor) else torch.tensor(pixels))
        with torch.autocast(device.type, getattr(torch, precision), enabled=precision != "float32"):
            return model(pixels).float().cpu()

    return ask


def _within_memory(ask, pixels, most):
    """Logits of all pixels, asked for at most `most` at a time or however few fit, and how many did."""
    while True:
        try:
            parts = range(0, len(pixels), most)
            return torch.cat([ask(pixels[start : start + most]) for start in parts]), most
        except torch.OutOfMemoryError as error:
            if most == 1:
                raise InputError(f"no memory for one image ({one_line(error, 100)}); take a larger device") from None
        # not inside the handler, where the error still holds what did not fit
        most = -(-min(most, len(pixels)) // 2)
        torch.cuda.empty_cache()
        print(f"out of memory: goes on with {most} images at a time")


def compute_logits(
    model, views, index, classes, batch_size, device, path, name, checkpoint=None, precision="float32", top_logits=0
):
    """Write the logits of all views, [views, images, classes], as `to_storage` makes them, batch by batch.

    With a checkpoint, what is not finished stands beside it, and the next call goes on with the batch that it ended at.

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
    with _array(path, kind, (len(views), len(index), *of_image), checkpoint) as (stored, fresh):
        answered = Answered(classes, stored)
        if not fresh:
            checkpoint.resume(answered)
        for view in range(answered.view, len(views)):
            pixels_of, first = partial(views.batch, view, device=device), answered.step
            for rows, logits in infer_batches(model, pixels_of, len(index), batch_size, device, first, precision):
                _check_finite(logits, rows, view, name)
                stored[view, rows] = to_storage(logits, kind)
                answered.add(logits, index["label"][rows])
                checkpoint.step(answered)
            answered.end_view()
            checkpoint.step(answered)
    return answered.predictions(index), answered.means.means()


@contextmanager
def _array(path, kind, shape, checkpoint):
    """The array to fill, and whether there is nothing in it yet."""
    if checkpoint.path is None:
        with new_array(path, kind, shape) as array:
            yield array, True
    else:
        with continued_array(path, checkpoint.path.with_suffix(".npy"), kind, shape) as (array, fresh):
            yield array, fresh


class Answered:
    """How far a model has come with its images, and what its answers to view 0 say so far; a Checkpoint saves it."""

    def __init__(self, classes, stored):
        """Begin with view 0 of the array `stored`; `step` counts the batches of the view that are done."""
        self.view, self.step, self.columns, self.means = 0, 0, {}, ClassMeans(classes)
        self.stored = stored

    def add(self, logits, labels):
        """Count one batch: logits, float32 [images, classes], of images with these labels."""
        self.step += 1
        if self.view == 0:
            for name, column in answer_columns(logits, labels).items():
                self.columns.setdefault(name, []).append(column)
            self.means.add(logits, labels)

    def end_view(self):
        """The next view begins."""
        self.view, self.step = self.view + 1, 0

    def predictions(self, index):
        """The predictions table of view 0."""
        return predictions_table(index, {name: torch.cat(column) for name, column in self.columns.items()})

    @property
    def done(self):
        """In words."""
        return f"{self.view} views and {self.step} batches"

    def state_dict(self):
        """Tensors and numbers; what they speak of is on the disk before they are."""
        self.stored.flush()
        columns = {name: torch.cat(column) for name, column in self.columns.items()}
        means = {"sums": self.means.sums, "counts": self.means.counts}
        return {"view": self.view, "step": self.step, "columns": columns, "means": means}

    def load_state_dict(self, saved):
        """Go on where `saved` stands."""
        self.view, self.step = saved["view"], saved["step"]
        self.columns = {name: [column] for name, column in saved["columns"].items()}
        self.means.sums, self.means.counts = saved["means"]["sums"], saved["means"]["counts"]


def _check_finite(logits, rows, view, name):
    bad = (~torch.isfinite(logits).all(dim=1)).nonzero()
    if len(bad):
        image = rows.start + bad[0].item()
        raise InputError(f"model {name}: logits of image {image}, view {view} are not finite; check its weights")


class ClassMeans:
    """What a model answers to the images of each class, on average."""

    def __init__(self, classes):
        """Begin without images."""
        self.sums = torch.zeros(classes, classes, dtype=torch.float64)
        self.counts = torch.zeros(classes, dtype=torch.long)

    def add(self, logits, labels):
        """Count logits [images, classes] of images with these labels, int [images]."""
        labels = torch.tensor(np.asarray(labels), dtype=torch.long)
        self.sums.index_add_(0, labels, logits.double().softmax(dim=1))
        self.counts += labels.bincount(minlength=len(self.counts))

    def means(self):
        """float32 [classes, classes]: row c is the mean softmax over the images of class c, 0 without images."""
        return (self.sums / self.counts.clamp(min=1)[:, None]).float().numpy()


def predict(index, logits):
    """Turn logits into the predictions table.

    Args:
        index: images table of the split, in the order of the logits.
        logits: float32 [images, classes]; not the float16 of the file, whose ties would change predictions.

    Returns:
        DataFrame of the predictions table.
    """
    return predictions_table(index, answer_columns(logits, index["label"]))


def answer_columns(logits, labels):
    """What the predictions table says of logits [images, classes]: dict of column to tensor [images]."""
    labels = torch.tensor(np.asarray(labels), dtype=torch.long)
    probabilities = logits.double().softmax(dim=1)  # [images, classes]
    prediction = logits.argmax(dim=1)
    return {
        "prediction": prediction,
        "correct": prediction == labels,
        "confidence": probabilities.amax(dim=1),
        "label_probability": probabilities.gather(1, labels[:, None]).squeeze(1),
    }


def predictions_table(index, columns):
    """The predictions table of an images table and its `answer_columns`."""
    return pd.DataFrame(
        {"image": index["image"], "label": index["label"], **{name: column.numpy() for name, column in columns.items()}}
    )
