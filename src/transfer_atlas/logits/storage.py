"""Logits on disk: all of them, or the largest few of each image with the log-sum-exp of the rest."""

import re

import numpy as np
import torch

from transfer_atlas.store.arrays import open_array

SMALLEST = -6e4  # float16 ends at -65504
ALL = np.dtype(np.float16)


def storage_type(classes, top=0):
    """What is stored of one image and view: an array type, and the shape that follows [views, images].

    Args:
        classes: number of classes.
        top: how many of the largest logits are kept; 0 for all.
    """
    if not 0 < top < classes:
        return ALL, (classes,)
    # the number of classes stands in a name, so that the file says all of itself
    fields = [
        ("value", "<f2", (top,)),
        (f"class_of_{classes}", "<u2" if classes <= 2**16 else "<u4", (top,)),
        ("rest", "<f2"),
    ]
    return np.dtype(fields), ()


def to_storage(logits, kind=ALL):
    """Logits as they are stored, with the largest of each row at 0, which changes no softmax; what is far below is cut off.

    Args:
        logits: float32 [images, classes] of any size.
        kind: array type of `storage_type`.

    Returns:
        float16 [images, classes], or records [images].
    """
    logits = (logits - logits.amax(dim=1, keepdim=True)).clamp(min=SMALLEST)
    if kind.names is None:
        return logits.half().numpy()
    records = np.empty(len(logits), kind)
    value, chosen = logits.topk(kind["value"].shape[0], dim=1)
    rest = logits.scatter(1, chosen, -torch.inf).logsumexp(dim=1).clamp(min=SMALLEST)
    for name, column in zip(kind.names, (value.half(), chosen, rest.half()), strict=True):
        records[name] = column.numpy()
    return records


def open_logits(path):
    """Memory-map logits, [views, images, classes]; index them by view and rows for float16 [rows, classes]."""
    array = open_array(path)
    return array if array.dtype.names is None else TopLogits(array)


class TopLogits:
    """Logits of which the largest few are stored; the others share the remaining probability equally."""

    def __init__(self, records):
        """Wrap the stored records, [views, images]."""
        self.records = records
        self.names = records.dtype.names
        self.shape = (*records.shape, int(re.fullmatch(r"class_of_(\d+)", self.names[1])[1]))

    def __getitem__(self, place):
        """float16 [rows, classes] of one view: place is (view, rows)."""
        records = self.records[place]
        value, chosen, rest = (records[name] for name in self.names)
        others = self.shape[-1] - value.shape[-1]
        logits = np.repeat((rest.astype(np.float32) - np.log(others))[..., None], self.shape[-1], axis=-1)
        np.put_along_axis(logits, chosen.astype(np.int64), value.astype(np.float32), axis=-1)
        return np.maximum(logits, SMALLEST).astype(np.float16)
