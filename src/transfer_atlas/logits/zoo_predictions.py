"""The predictions of all models, read together. Needs no torch."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from transfer_atlas.errors import InputError
from transfer_atlas.store.arrays import StoredArray, rows_writer
from transfer_atlas.store.tables import exclusion, read_arrays, read_metadata, read_table

MODELS_AT_ONCE = 256  # of a zoo that is copied


@dataclass(frozen=True)
class ZooPredictions:
    """Predictions of all models on the same images.

    Attributes:
        models: names.
        labels: int [images].
        prediction: int [models, images], of 16 bits where they suffice; an array, or a StoredArray that is read in parts.
        confidence: float32 [models, images], the largest probability, NaN where a model has not given it.
    """

    models: list[str]
    labels: np.ndarray
    prediction: np.ndarray
    confidence: np.ndarray

    @cached_property
    def correct(self):
        """Bool [models, images]."""
        return self.prediction == self.labels

    @property
    def images_of_class(self):
        """Int [classes]; classes without images count 0."""
        return np.bincount(self.labels)


def read_zoo_predictions(paths, models=None):
    """Read the predictions tables of all models that are not excluded.

    Args:
        paths: predictions tables, one per model and named after it, or the folder that holds them.
        models: names of those that are read; None for all.

    Returns:
        ZooPredictions, in the order of `paths`.

    Raises:
        InputError: fewer than two models, or a model whose images or labels are not those of most others.
    """
    paths, labels = _compared(path for path in _tables_in(paths) if models is None or path.stem in models)
    arrays = _in_few_bits(lambda class_type: _read_columns(paths, len(labels), class_type))
    return ZooPredictions([path.stem for path in paths], labels, *arrays)


def _in_few_bits(read):
    """What `read`, a function of the type of the classes, gives: with 16 bits, or with 32 where a class takes more."""
    try:
        return read(np.int16)
    except OverflowError:
        return read(np.int32)


def _read_columns(paths, images, class_type):
    """Prediction, of the given type, and confidence of all models; an OverflowError where a class does not fit into it."""
    prediction, confidence = (np.empty((len(paths), images), dtype) for dtype in (class_type, np.float32))

    def read_row(row):
        classes, confidence[row] = read_arrays(paths[row], ["prediction", "confidence"])
        prediction[row] = _checked_classes(classes, class_type)

    with ThreadPoolExecutor() as pool:
        list(pool.map(read_row, range(len(paths))))
    return prediction, confidence


def _checked_classes(classes, class_type):
    if classes.max() > np.iinfo(class_type).max:
        raise OverflowError
    return classes


def store_zoo_predictions(paths, folder):
    """As `read_zoo_predictions`, for more models than fit into memory: arrays in files of `folder`, made where they are missing.

    Returns:
        ZooPredictions whose arrays are store.arrays.StoredArray.
    """
    paths, labels = _compared(paths)
    files = {"prediction": folder / "prediction.npy", "confidence": folder / "confidence.npy"}
    if not all(file.exists() for file in files.values()):
        _in_few_bits(lambda class_type: _copy_columns(paths, files, len(labels), class_type))
    stored = {name: StoredArray(file) for name, file in files.items()}
    return ZooPredictions([path.stem for path in paths], labels, **stored)


def _copy_columns(paths, files, images, class_type):
    """As `_read_columns`, into one file each, with the memory of some models."""
    kinds = {"prediction": class_type, "confidence": np.float32}
    with ThreadPoolExecutor() as pool, ExitStack() as stack:
        writers = {
            name: stack.enter_context(rows_writer(file, kinds[name], (len(paths), images)))
            for name, file in files.items()
        }
        for first in range(0, len(paths), MODELS_AT_ONCE):
            found = pool.map(lambda path: read_arrays(path, list(files)), paths[first : first + MODELS_AT_ONCE])
            for name, rows in zip(files, zip(*found, strict=True), strict=True):
                rows = np.stack(rows)
                writers[name](_checked_classes(rows, class_type) if name == "prediction" else rows)


def read_each_prediction(paths):
    """Yield (labels, predicted classes), int [images] twice, of one model after the other; as `read_zoo_predictions`."""
    paths, labels = _compared(paths)
    for path in paths:
        yield labels, read_arrays(path, ["prediction"])[0]


def _compared(paths):
    """The tables of models that are not excluded, and the labels of their images."""
    about = {path: read_metadata(path) for path in _tables_in(paths)}
    paths = [path for path in about if "excluded" not in about[path]]
    if len(paths) < 2:
        raise InputError(
            f"{len(paths)} model(s) with predictions; a comparison needs two, see remark in models.parquet"
        )
    reference = paths[majority_of([about[path]["fingerprint"] for path in paths], paths)]
    return paths, read_arrays(reference, ["label"])[0]


def _tables_in(paths):
    return sorted(Path(paths).glob("*.parquet")) if isinstance(paths, str) else list(map(Path, paths))


def read_images(paths):
    """Series of the ids of the images, in their order; arguments as in `read_zoo_predictions`."""
    return next(read_table(path, ["image"])["image"] for path in _tables_in(paths) if exclusion(path) is None)


def read_correct(paths):
    """Read which images each model gets right.

    Args:
        paths: predictions tables, one per model and named after it.

    Returns:
        (correct, excluded): dict of model to bool [images], and dict of model to the reason for its exclusion.
    """
    reasons = {Path(path).stem: exclusion(path) for path in paths}
    correct = {
        Path(path).stem: read_table(path, ["correct"])["correct"].to_numpy()
        for path in paths
        if reasons[Path(path).stem] is None
    }
    return correct, {model: reason for model, reason in reasons.items() if reason is not None}


def majority_of(fingerprints, paths):
    """Position of the first model of the majority, after checking that there is no minority.

    Args:
        fingerprints: digest of images and labels, per model.
        paths: predictions tables, as many.

    Returns:
        Position of the first model.

    Raises:
        InputError: names the first model whose images or labels differ from those of most models, and where.
    """
    majority = fingerprints.index(Counter(fingerprints).most_common(1)[0][0])
    for path, found in zip(paths, fingerprints, strict=True):
        if found != fingerprints[majority]:
            columns = ["image", "label"]
            fault = describe_difference(read_table(path, columns), read_table(paths[majority], columns))
            raise InputError(f"model {path.stem}: {fault}; compute its logits again")
    return majority


def describe_difference(table, reference):
    """How image ids and labels differ from those of most models, in words; both in their own order."""
    missing = reference.loc[~reference["image"].isin(table["image"]), "image"]
    if len(missing):
        return f"image '{missing.iloc[0]}' is missing, as are {len(missing):,} of {len(reference):,} images in all"
    extra = table.loc[~table["image"].isin(reference["image"]), "image"]
    if len(extra):
        return f"image '{extra.iloc[0]}' is not among the {len(reference):,} images of most other models"
    merged = table.merge(reference, on="image", suffixes=("", "_of_others"))
    other = merged[merged["label"] != merged["label_of_others"]]
    if len(other):
        row = other.iloc[0]
        return f"image '{row['image']}' has label '{row['label']}', but '{row['label_of_others']}' in most other models"
    return "its images stand in another order"


def describe_other_set(model, fingerprints):
    """Says that several models share another set of images than most, if they do: it may be a data set of its own.

    Args:
        model: one whose images are not those of most models.
        fingerprints: dict of model to the digest of its images and labels.
    """
    alike = [name for name, found in fingerprints.items() if found == fingerprints[model]]
    if len(alike) == 1:
        return ""
    most = Counter(fingerprints.values()).most_common(1)[0][1]
    names = ", ".join(alike[:3]) + ", ..." * (len(alike) > 3)
    return f"; the files hold two sets of images: {most} models have the one, {len(alike)} models ({names}) the other"
