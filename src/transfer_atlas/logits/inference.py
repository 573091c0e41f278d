"""Inference: every model looks at every image once; all comparisons and transfers read its answers from disk."""

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from transfer_atlas.errors import InputError
from transfer_atlas.files import new_array
from transfer_atlas.zoo.build import Input

SMALLEST = -6e4  # float16 ends at -65504


def infer(model, pixels, batch_size, device):
    """Compute logits of images in their order.

    Args:
        model: network in eval mode on `device`.
        pixels: uint8 [images, size, size, 3].
        batch_size: images per forward pass.
        device: where the model is.

    Returns:
        float32 [images, classes] on the CPU.
    """
    to_input = Input(model).to(device)
    starts = tqdm(range(0, len(pixels), batch_size), desc="infer", unit="batch", mininterval=2)
    with torch.inference_mode():
        batches = [model(to_input(torch.tensor(pixels[start : start + batch_size]))).float().cpu() for start in starts]
    return torch.cat(batches)


def compute_logits(model, views, batch_size, device, path, name):
    """Write the logits of all views as float16 [views, images, classes], as `to_storage` makes them.

    Args:
        model: network in eval mode on `device`.
        views: list of uint8 [images, size, size, 3]; view 0 comes first.
        batch_size: images per forward pass.
        device: where the model is.
        path: .npy file to write.
        name: name of the model for messages.

    Returns:
        float32 [images, classes], the logits of view 0 before rounding.

    Raises:
        InputError: a logit is NaN or infinite; no room on the disk.
    """
    answers = [infer(model, pixels, batch_size, device) for pixels in views]
    for view, logits in enumerate(answers):
        bad = (~torch.isfinite(logits).all(dim=1)).nonzero()
        if len(bad):
            raise InputError(
                f"model {name}: logits of image {bad[0].item()}, view {view} are not finite; check its weights"
            )
    with new_array(path, np.float16, (len(answers), *answers[0].shape)) as stored:
        for view, logits in enumerate(answers):
            stored[view] = to_storage(logits).numpy()
    return answers[0]


def to_storage(logits):
    """Logits as float16 with the largest of each row at 0, which changes no softmax; what is far below is cut off.

    Args:
        logits: float32 [images, classes] of any size.
    """
    return (logits - logits.amax(dim=1, keepdim=True)).clamp(min=SMALLEST).half()


def mean_softmax_by_class(logits, labels, classes):
    """What a model answers to the images of each class, on average.

    Args:
        logits: float32 [images, classes].
        labels: int [images].
        classes: number of classes.

    Returns:
        float32 [classes, classes]: row c is the mean softmax over the images of class c, 0 without images.
    """
    labels = torch.tensor(np.asarray(labels), dtype=torch.long)
    sums = torch.zeros(classes, classes, dtype=torch.float64).index_add_(0, labels, logits.double().softmax(dim=1))
    counts = labels.bincount(minlength=classes).clamp(min=1)
    return (sums / counts[:, None]).float().numpy()


def open_logits(path):
    """Memory-map logits, float16 [views, images, classes]."""
    return np.load(path, mmap_mode="r")


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
