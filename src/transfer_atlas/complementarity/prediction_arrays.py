"""Predictions as NumPy arrays: classes, probabilities or logits, in the order of the labels."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax

from transfer_atlas.errors import InputError, one_line

SUFFIXES = (".npy", ".npz")


@dataclass(frozen=True)
class Labels:
    """Labels that stand in a file of their own.

    Attributes:
        images: ids, texts.
        labels: Series of their classes, as many.
    """

    images: list[str]
    labels: pd.Series

    @cached_property
    def by_image(self):
        """Dict of id to class."""
        return dict(zip(self.images, self.labels, strict=True))


def is_array(file):
    """Whether a file is one of NumPy's."""
    return str(file).lower().endswith(SUFFIXES)


def row_ids(number):
    """Ids of images that have none but their row."""
    return [f"{row:09d}" for row in range(number)]


def read_arrays(file, name, labels):
    """Yield (model, DataFrame with image, label, prediction and perhaps confidence, file) of a .npy or .npz file.

    Args:
        file: one array, of the model `name`; or several in an .npz file, each of the model that it is called after.
        name: model of a file of one array.
        labels: Labels in the order of the rows.

    Raises:
        InputError: there are no labels, or the arrays cannot be read or do not fit them.
    """
    if labels is None:
        raise InputError(f"{file}: an array has no labels; name a file of them in predictions.labels")
    arrays = load_arrays(file)
    for key, values in arrays.items():
        yield key if len(arrays) > 1 else name, table_of(key, values, labels), str(file)


def load_arrays(file):
    """Dict of name to array of a .npy or .npz file; one without a name is called after its file."""
    try:
        found = np.load(Path(file), allow_pickle=False)
        arrays = dict(found) if isinstance(found, np.lib.npyio.NpzFile) else {Path(file).stem: found}
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{file}: cannot be read as an array ({one_line(error)})") from None
    if not arrays:
        raise InputError(f"{file}: holds no array")
    return arrays


def table_of(model, values, labels):
    """Predictions of one model as a table with image, label, prediction, and confidence where there are scores.

    Args:
        model: its name, for messages.
        values: classes, [images], or float probabilities or logits, [images, classes].
        labels: Labels, as many.

    Raises:
        InputError: another number of rows than labels, or of dimensions than one or two.
    """
    values = np.asarray(values)
    if values.ndim not in (1, 2):
        raise InputError(f"model {model}: an array of shape {values.shape}; expected [images] or [images, classes]")
    if len(values) != len(labels.labels):
        raise InputError(f"model {model}: {len(values):,} predictions for {len(labels.labels):,} labels")
    table = pd.DataFrame({"image": labels.images, "label": labels.labels.to_numpy()})
    table.index = pd.RangeIndex(1, len(table) + 1)
    if values.ndim == 1:
        return table.assign(prediction=values)
    probabilities = _probabilities(values.astype(np.float64))
    return table.assign(prediction=probabilities.argmax(axis=1), confidence=probabilities.max(axis=1))


def _probabilities(scores):
    """Rows that are probabilities as they are; the softmax of any others."""
    if (scores >= 0).all() and np.allclose(scores.sum(axis=1), 1, atol=1e-3):
        return scores.clip(max=1)
    return softmax(scores, axis=1)
