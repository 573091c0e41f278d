"""Inference: every model looks at every image once; all comparisons and transfers read its answers from disk."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import torch
from tqdm import tqdm

from transfer_atlas.errors import InputError, one_line
from transfer_atlas.logits.predictions import ClassMeans, answer_columns, predictions_table
from transfer_atlas.logits.storage import storage_type, to_storage
from transfer_atlas.store.arrays import continued_array, new_array
from transfer_atlas.store.checkpoint import NoCheckpoint
from transfer_atlas.zoo.build import Input

CPU_PIXELS = 2**19  # of a forward pass on the CPU: with more its caches do not hold what passes from layer to layer


def infer_batches(model, pixels_of, images, batch_size, device, first=0, precision="float32"):
    """Yield (rows, logits) batch by batch: a slice of the images, and float32 [rows, classes] on the CPU.

    On the CPU a batch of large images is asked in parts of 512 x 1024 pixels, which is faster. A batch that the device has
    no memory for is asked in halves, and so are those that follow.

    Args:
        model: network in eval mode on `device`.
        pixels_of: function of a slice of the images to their uint8 [rows, size, size, 3], a tensor or an array.
        images: number of images.
        batch_size: images at a time.
        device: where the model is.
        first: batch to begin with.
        precision: of the network's arithmetic: float32, or bfloat16 or float16 by autocast.

    Raises:
        InputError: the device has no memory for a single image.
    """
    ask, most = _answering(model, device, precision), batch_size
    starts = range(first * batch_size, images, batch_size)
    batches = [slice(start, min(start + batch_size, images)) for start in starts]
    on_cpu = torch.device(device).type == "cpu"
    load = map if on_cpu else read_ahead  # on the CPU the network needs the threads itself
    progress = tqdm(
        zip(batches, load(pixels_of, batches), strict=True), "infer", len(batches), unit="batch", mininterval=2
    )
    for rows, pixels in progress:
        if on_cpu:
            most = min(most, max(1, CPU_PIXELS // (pixels.shape[1] * pixels.shape[2])))
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
        answered = Answered(name, stored, index["label"], classes)
        if not fresh:
            checkpoint.resume(answered)
        fill_views(answered, model, views, batch_size, device, checkpoint, precision)
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


def fill_views(stored, model, views, batch_size, device, checkpoint, precision="float32"):
    """Ask a model about all views from where `stored`, a Stored, stands; other arguments as of `compute_logits`.

    Raises:
        InputError: an answer is NaN or infinite.
        Stopped: the job was asked to stop; what it did is saved.
    """
    images = stored.array.shape[1]
    for view in range(stored.view, len(views)):
        pixels_of = partial(views.batch, view, device=device)
        for rows, answers in infer_batches(model, pixels_of, images, batch_size, device, stored.step, precision):
            stored.add(rows, answers)
            checkpoint.step(stored)
        stored.end_view()
        checkpoint.step(stored)


def check_finite(answers, rows, model, what, view):
    """Raise InputError where answers of a model, float32 [rows, any] of a slice of the images, are NaN or infinite."""
    bad = (~torch.isfinite(answers).all(dim=1)).nonzero()
    if len(bad):
        image = rows.start + bad[0].item()
        raise InputError(f"model {model}: {what} of image {image}, view {view} are not finite; check its weights")


class Stored:
    """How far a model has come with its images; a Checkpoint saves it."""

    what = "features"

    def __init__(self, model, array):
        """Begin with view 0 of an array [views, images, any]; `step` counts the batches of the view that are done."""
        self.model, self.array, self.view, self.step = model, array, 0, 0

    def add(self, rows, answers):
        """Store one batch, float32 [rows, any], of a slice of the images."""
        check_finite(answers, rows, self.model, self.what, self.view)
        self.array[self.view, rows] = self.to_storage(answers)
        self.step += 1

    def to_storage(self, answers):
        """As they lie in the array."""
        return answers.half().numpy()

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


class Answered(Stored):
    """The same for logits, and what they say of view 0."""

    what = "logits"

    def __init__(self, model, array, labels, classes):
        """Begin; labels of the images, number of classes."""
        super().__init__(model, array)
        self.labels, self.columns, self.means = labels, {}, ClassMeans(classes)

    def to_storage(self, answers):
        """As the module `storage` has it."""
        return to_storage(answers, self.array.dtype)

    def add(self, rows, answers):
        """Store one batch of logits, float32 [rows, classes]."""
        super().add(rows, answers)
        if self.view == 0:
            labels = self.labels[rows]
            for name, column in answer_columns(answers, labels).items():
                self.columns.setdefault(name, []).append(column)
            self.means.add(answers, labels)

    def predictions(self, index):
        """The predictions table of view 0."""
        return predictions_table(index, {name: torch.cat(column) for name, column in self.columns.items()})

    def state_dict(self):
        """Tensors and numbers."""
        columns = {name: torch.cat(column) for name, column in self.columns.items()}
        means = {"sums": self.means.sums, "counts": self.means.counts}
        return super().state_dict() | {"columns": columns, "means": means}

    def load_state_dict(self, saved):
        """Go on where `saved` stands."""
        super().load_state_dict(saved)
        self.columns = {name: [column] for name, column in saved["columns"].items()}
        self.means.sums, self.means.counts = saved["means"]["sums"], saved["means"]["counts"]
