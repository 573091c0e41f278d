"""Predictions made elsewhere, taken over into the project's own tables. Needs no torch."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from transfer_atlas.complementarity.class_names import check_shared_class, decide_classes, describe_impossible, to_text
from transfer_atlas.complementarity.prediction_files import REQUIRED, read_models
from transfer_atlas.errors import InputError
from transfer_atlas.logits.zoo_predictions import describe_difference, describe_other_set
from transfer_atlas.schemas.tables import SCHEMAS
from transfer_atlas.statistics import accuracy_standard_error
from transfer_atlas.store.tables import fingerprint, write_excluded, write_table
from transfer_atlas.study.names import check_model_name

PROBABILITIES = ("label_probability", "confidence")


@dataclass
class Imported:
    """Predictions made elsewhere, checked and in the project's own tables.

    Attributes:
        predictions: dict of model to its predictions table, without excluded models.
        models: the models table, excluded models included.
        classes: the classes table.
        fingerprint: digest of images and labels.
    """

    predictions: dict[str, pd.DataFrame]
    models: pd.DataFrame
    classes: pd.DataFrame
    fingerprint: str

    @property
    def images(self):
        """Series of the ids of the images."""
        return next(iter(self.predictions.values()))["image"]


def import_predictions(files, columns, on_error, labels=None, image_pattern=None):
    """Take over predictions made elsewhere.

    Rows may come in any order; the images are sorted by id. The classes that occur as labels or predictions are sorted
    (as numbers where all are integers) and numbered from 0; where that changes them, their names keep what they were.

    Args:
        files: Parquet, delimited text, JSON lines or NumPy arrays: one per model and named after it, or with a column for
            the model.
        columns: dict of our column names (model, image, label, prediction, label_probability, confidence) to theirs.
        on_error: `fail` or `exclude`, for models whose predictions cannot be used.
        labels: file of the labels, a table with image and label or an array; None where the files have them.
        image_pattern: regular expression whose group is the id of an image in the column `image`; None for all of it.

    Returns:
        Imported.

    Raises:
        InputError: a column is missing, a model is given twice, fewer than two models are left, or (on_error: fail)
            the first model with nulls, duplicate images, other images or labels than most, or impossible values.
    """
    return check_predictions(read_models(files, columns, labels, image_pattern), on_error)


def check_predictions(tables, on_error):
    """Check the predictions of several models, decide their classes and number them.

    Args:
        tables: yields (model, DataFrame with image, label, prediction and perhaps PROBABILITIES, what the rows come from).
        on_error: as in `import_predictions`.

    Returns:
        Imported.

    Raises:
        InputError: as in `import_predictions`.
    """
    predicted, faults = {}, {}
    for model, frame, source in tables:
        check_model_name(model, source)
        if model in predicted or model in faults:
            raise InputError(f"{source}: model '{model}' was given before; every model needs a name of its own")
        try:
            predicted[model] = _check_rows(frame)
        except InputError as error:
            faults[model] = f"{error} ({source})"
    faults |= _apply_classes(predicted)
    faults |= _compare_image_sets({model: frame for model, frame in predicted.items() if model not in faults})
    if faults and on_error == "fail":
        model, fault = next(iter(faults.items()))
        raise InputError(f"model {model}: {fault}; mend it, or leave such models out with on_error: exclude")
    kept = {model: predicted[model] for model in sorted(predicted) if model not in faults}
    if len(kept) < 2:
        given = f"{len(kept)} of {len(predicted | faults)} models"
        raise InputError(f"{given} have predictions that can be used; a comparison needs two")
    return _number_classes(kept, faults)


def write_predictions(imported, folder, provenance):
    """Write one predictions table per model into `folder`; that of an excluded model has no rows.

    Args:
        imported: Imported.
        folder: path of the folder.
        provenance: as in `tables.write_table`.
    """
    provenance = {**provenance, "fingerprint": imported.fingerprint}
    for model, table in imported.predictions.items():
        write_table(table, "predictions", Path(folder) / f"{model}.parquet", provenance)
    for row in imported.models[imported.models["excluded"]].itertuples():
        write_excluded("predictions", Path(folder) / f"{row.model}.parquet", row.remark, provenance)


def _check_rows(frame):
    """One model's rows, sorted by image, with labels and predictions as text.

    Raises:
        InputError: nulls, duplicate images, impossible classes or probabilities; names row and image.
    """
    frame = frame.assign(image=to_text(frame["image"]))
    for name in ("label", "prediction"):
        frame[name] = _class_texts(frame, name)
    probabilities = [name for name in PROBABILITIES if name in frame]
    for name in (*REQUIRED, *probabilities):
        _refuse(frame, frame[name].isna(), f"{name} is missing or NaN")
    if frame.empty:
        raise InputError("the table has a header and no rows")
    _refuse(frame, frame["image"].duplicated(), "the image comes twice")
    for name in probabilities:
        frame[name] = pd.to_numeric(frame[name], errors="coerce")
        _refuse(frame, ~frame[name].between(0, 1 + 1e-6), f"{name} is not between 0 and 1")
    return frame.sort_values("image", ignore_index=True)


def _class_texts(frame, name):
    """Labels or predictions as a category of texts."""
    try:
        texts = to_text(frame[name])
    except TypeError:
        raise InputError(
            f"{name} holds lists, not classes; give the class with the largest value "
            "(timm's inference.py: --topk 1, or --results-separate-col and the first of the columns)"
        ) from None
    for text in texts.dropna().unique():
        if fault := describe_impossible(text):
            _refuse(frame, texts == text, f"{name} '{text}' {fault}")
    return texts.astype("category")


def _refuse(frame, bad, what):
    if bad.any():
        row = bad.idxmax()
        raise InputError(f"row {row}, image '{frame['image'][row]}': {what}")


def _apply_classes(predicted):
    """Turn the texts of all models into classes, in place; returns the faults of models that share none with their labels."""
    texts = {
        text for frame in predicted.values() for name in ("label", "prediction") for text in frame[name].cat.categories
    }
    classes, faults = decide_classes(texts), {}
    for model, frame in predicted.items():
        for name in ("label", "prediction"):
            of_category = pd.Series([classes[text] for text in frame[name].cat.categories], dtype=object)
            codes, categories = pd.factorize(of_category, sort=True)
            frame[name] = pd.Categorical.from_codes(codes[frame[name].cat.codes], categories)
        try:
            check_shared_class(frame["label"].cat.categories, frame["prediction"].cat.categories)
        except InputError as error:
            faults[model] = str(error)
    return faults


def _compare_image_sets(predicted):
    """Faults of the models whose images or labels differ from those of most models."""
    prints = {model: fingerprint(frame["image"], _codes_of_labels(frame)) for model, frame in predicted.items()}
    if not prints:
        return {}
    majority = Counter(prints.values()).most_common(1)[0][0]
    reference = next(predicted[model] for model, found in prints.items() if found == majority)
    reference = reference[["image", "label"]].astype(str)
    return {
        model: describe_difference(predicted[model][["image", "label"]].astype(str), reference)
        + describe_other_set(model, prints)
        for model, found in prints.items()
        if found != majority
    }


def _codes_of_labels(frame):
    """Labels as integers that do not depend on which other classes a file mentions: a hash of each name."""
    names = pd.Series(frame["label"].cat.categories.astype(str))
    hashes = pd.util.hash_array(names.to_numpy(dtype=object)).view(np.int64)
    return hashes[frame["label"].cat.codes.to_numpy()]


def _number_classes(predicted, faults):
    """Number the classes that occur, for all models alike, and build the tables."""
    columns = [frame[name] for frame in predicted.values() for name in ("label", "prediction")]
    occurring = sorted({name for column in columns for name in column.cat.categories})
    numbers, place = len(occurring), {name: number for number, name in enumerate(occurring)}
    names = None if occurring == list(range(numbers)) else list(map(str, occurring))
    ids = [np.array([place[name] for name in column.cat.categories], np.int32)[column.cat.codes] for column in columns]
    label = np.asarray(ids[0])
    predictions = {
        model: pd.DataFrame(
            {
                "image": frame["image"],
                "label": label,
                "prediction": ids[2 * number + 1],
                "correct": np.asarray(ids[2 * number + 1]) == label,
                **{name: frame.get(name, np.nan) for name in PROBABILITIES},
            }
        )
        for number, (model, frame) in enumerate(predicted.items())
    }
    classes = pd.DataFrame(
        {"class": np.arange(numbers), "name": names, "images": np.bincount(label, minlength=numbers)}
    )
    image_ids = next(iter(predictions.values()))["image"]
    return Imported(predictions, _describe_models(predictions, faults), classes, fingerprint(image_ids, label))


def _describe_models(predictions, faults):
    """The models table of predictions made elsewhere: accuracy, exclusions and remarks; family, size and settings are null."""
    rows = []
    for model, table in predictions.items():
        accuracy = table["correct"].mean()
        constant = table["prediction"].nunique() == 1
        rows.append(
            {
                "model": model,
                "accuracy": accuracy,
                "accuracy_standard_error": accuracy_standard_error(accuracy, len(table)),
                "excluded": False,
                "remark": "predicts the same class for every image" if constant else None,
            }
        )
    rows += [{"model": model, "excluded": True, "remark": fault} for model, fault in faults.items()]
    models = pd.DataFrame(rows, columns=SCHEMAS["models"].names).sort_values("model", ignore_index=True)
    return models.assign(mean=None, std=None)  # a column of lists cannot hold NaN
