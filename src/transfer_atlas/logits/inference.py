"""Inference: every model looks at every image once; all comparisons and transfers read its answers from disk."""

from functools import partial

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from transfer_atlas.errors import InputError
from transfer_atlas.files import new_array, open_array
from transfer_atlas.zoo.build import Input

SMALLEST = -6e4  # float16 ends at -65504


def infer_batches(model, pixels_of, images, batch_size, device):
    """Yield (rows, logits) batch by batch: a slice of the images, and float32 [rows, classes] on the CPU.

    Args:
        model: network in eval mode on `device`.
        pixels_of: function of a slice of the images to their uint8 [rows, size, size, 3].
        images: number of images.
        batch_size: images per forward pass.
        device: where the model is.
    """
    to_input = Input(model).to(device)
    for start in tqdm(range(0, images, batch_size), desc="infer", unit="batch", mininterval=2):
        rows = slice(start, min(start + batch_size, images))
        with torch.inference_mode():
            logits = model(to_input(torch.tensor(pixels_of(rows)))).float().cpu()
        yield rows, logits


def compute_logits(model, views, index, classes, batch_size, device, path, name):
    """Write the logits of all views as float16 [views, images, classes], as `to_storage` makes them, batch by batch.

    Args:
        model: network in eval mode on `device`.
        views: Views of the images.
        index: images table of the split.
        classes: number of classes.
        batch_size: images per forward pass.
        device: where the model is.
        path: .npy file to write.
        name: name of the model for messages.

    Returns:
        (predictions, confusions) of view 0, from logits before rounding: the predictions table, and `ClassMeans.means`.

    Raises:
        InputError: a logit is NaN or infinite; no room on the disk.
    """
    predictions, means = [], ClassMeans(classes)
    with new_array(path, np.float16, (len(views), len(index), classes)) as stored:
        for view in range(len(views)):
            for rows, logits in infer_batches(model, partial(views.batch, view), len(index), batch_size, device):
                _check_finite(logits, rows, view, name)
                stored[view, rows] = to_storage(logits).numpy()
                if view == 0:
                    predictions.append(predict(index[rows], logits))
                    means.add(logits, index["label"][rows])
    return pd.concat(predictions, ignore_index=True), means.means()


def _check_finite(logits, rows, view, name):
    bad = (~torch.isfinite(logits).all(dim=1)).nonzero()
    if len(bad):
        image = rows.start + bad[0].item()
        raise InputError(f"model {name}: logits of image {image}, view {view} are not finite; check its weights")


def to_storage(logits):
    """Logits as float16 with the largest of each row at 0, which changes no softmax; what is far below is cut off.

    Args:
        logits: float32 [images, classes] of any size.
    """
    return (logits - logits.amax(dim=1, keepdim=True)).clamp(min=SMALLEST).half()


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


def open_logits(path):
    """Memory-map logits, float16 [views, images, classes]."""
    return open_array(path)


def predict(index, logits):
    """Turn logits into the predictions table.

    Args:
        index: images table of the split, in the order of the logits.
        logits: float32 [images, classes]; not the float16 of the file, whose ties would change predictions.

    Returns:
        DataFrame of the predictions table.
    """
    labels = torch.tensor(index["label"].to_numpy(), dtype=torch.long)
    probabilities = logits.double().softmax(dim=1)  # [images, classes]
    prediction = logits.argmax(dim=1)
    return pd.DataFrame(
        {
            "image": index["image"],
            "label": index["label"],
            "prediction": prediction.numpy(),
            "correct": (prediction == labels).numpy(),
            "confidence": probabilities.amax(dim=1).numpy(),
            "label_probability": probabilities.gather(1, labels[:, None]).squeeze(1).numpy(),
        }
    )
