"""Answers made elsewhere, taken over into the project's own tables. Needs no torch."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from transfer_atlas.errors import InputError, one_line
from transfer_atlas.logits.answers import describe_difference
from transfer_atlas.schemas.tables import SCHEMAS
from transfer_atlas.statistics import accuracy_standard_error
from transfer_atlas.store.tables import fingerprint, write_excluded, write_table

REQUIRED = ("image", "label", "prediction")
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


def import_predictions(files, columns, on_error):
    """Take over predictions made elsewhere.

    Rows may come in any order; the images are sorted by id. The classes that occur as labels or predictions are sorted
    (as numbers where all are integers) and numbered from 0; where that changes them, their names keep what they were.

    Args:
        files: Parquet, CSV or tab-separated files: one per model and named after it, or with a column for the model.
        columns: dict of our column names (model, image, label, prediction, label_probability, confidence) to theirs.
        on_error: `fail` or `exclude`, for models whose answers cannot be used.

    Returns:
        Imported.

    Raises:
        InputError: a column is missing, a model is given twice, fewer than two models are left, or (on_error: fail)
            the first model with nulls, duplicate images, other images or labels than most, or impossible values.
    """
    answers, faults = {}, {}
    for model, frame, source in _models_in(files, columns):
        if not re.fullmatch(r"[\w.+-]+", model):
            raise InputError(f"{source}: model name '{model}' may hold only letters, digits and _ . + -; rename it")
        if model in answers or model in faults:
            raise InputError(f"{source}: model '{model}' was given before; every model needs a name of its own")
        try:
            answers[model] = _check_answers(frame)
        except InputError as error:
            faults[model] = f"{error} ({source})"
    faults |= _compare_image_sets(answers)
    if faults and on_error == "fail":
        model, fault = next(iter(faults.items()))
        raise InputError(f"model {model}: {fault}; mend it, or leave such models out with on_error: exclude")
    kept = {model: answers[model] for model in sorted(answers) if model not in faults}
    if len(kept) < 2:
        raise InputError(f"predictions.files: {len(kept)} usable model(s) in {len(files)} file(s); a study needs two")
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


def _models_in(files, columns):
    """Yield (model, DataFrame with our column names, what the rows come from)."""
    long = []
    for file in files:
        frame = _read_file(file, columns)
        if "model" in frame:
            long.append(frame)
        else:
            yield Path(file).stem, frame, file
    if long:
        frame = pd.concat(long, ignore_index=True)
        if frame["model"].isna().any():
            raise InputError(
                f"{columns['model']}: no model in row {frame['model'].isna().argmax() + 1} of the long table"
            )
        for model, rows in frame.groupby(frame["model"].astype(str), sort=False):
            yield model, rows.drop(columns="model"), f"model '{model}' of the long table"


def _read_file(file, columns):
    """Read the columns that we know, under our names; row numbers count from 1 and stay with their rows."""
    theirs = {name: column for column, name in columns.items()}
    try:
        if Path(file).suffix == ".parquet":
            names = pq.read_schema(file).names
            frame = pd.read_parquet(file, columns=[name for name in names if name in theirs])
        else:
            # an image 007 keeps its zeros and a class NA its name; only empty cells and nan are missing
            frame = pd.read_csv(
                file,
                sep="," if Path(file).suffix == ".csv" else "\t",
                dtype={columns["image"]: str, columns["model"]: str},
                usecols=lambda name: name in theirs,
                keep_default_na=False,
                na_values=["", "nan", "NaN"],
            )
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read as a table ({one_line(error)})") from None
    frame = frame.rename(columns=theirs)
    missing = [columns[name] for name in REQUIRED if name not in frame]
    if missing:
        raise InputError(
            f"{file}: no column '{missing[0]}'; name the columns of your files under predictions.columns in the config"
        )
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    return frame


def _check_answers(frame):
    """One model's rows, sorted by image, with classes as categories.

    Raises:
        InputError: nulls, duplicate images, classes or probabilities that are impossible; names row and image.
    """
    frame = frame.assign(image=frame["image"].astype(str).where(frame["image"].notna()))
    probabilities = [name for name in PROBABILITIES if name in frame]
    for name in (*REQUIRED, *probabilities):
        _refuse(frame, frame[name].isna(), f"{name} is missing or NaN")
    _refuse(frame, frame["image"].duplicated(), "the image comes twice")
    for name in probabilities:
        frame[name] = pd.to_numeric(frame[name], errors="coerce")
        _refuse(frame, ~frame[name].between(0, 1 + 1e-6), f"{name} is not between 0 and 1")
    for name in ("label", "prediction"):
        frame[name] = _as_classes(frame, name)
    return frame.sort_values("image", ignore_index=True)


def _refuse(frame, bad, what):
    if bad.any():
        row = bad.idxmax()
        raise InputError(f"row {row}, image '{frame['image'][row]}': {what}")


def _as_classes(frame, name):
    """Labels or predictions as a category of Python integers or of strings."""
    values = frame[name]
    if pd.api.types.is_float_dtype(values) and (values == values.round()).all():
        values = values.astype(np.int64)
    if pd.api.types.is_integer_dtype(values):
        _refuse(frame, values < 0, f"{name} is not a class id (0, 1, 2, ...)")
        return values.astype("category")
    return values.astype(str).astype("category")


def _compare_image_sets(answers):
    """Faults of the models whose images or labels differ from those of most models."""
    prints = {model: fingerprint(frame["image"], _codes_of_labels(frame)) for model, frame in answers.items()}
    if not prints:
        return {}
    majority = Counter(prints.values()).most_common(1)[0][0]
    reference = next(answers[model] for model, found in prints.items() if found == majority)
    reference = reference[["image", "label"]].astype(str)
    return {
        model: describe_difference(answers[model][["image", "label"]].astype(str), reference)
        for model, found in prints.items()
        if found != majority
    }


def _codes_of_labels(frame):
    """Labels as integers that do not depend on which other classes a file mentions: a hash of each name."""
    names = pd.Series(frame["label"].cat.categories.astype(str))
    hashes = pd.util.hash_array(names.to_numpy(dtype=object)).view(np.int64)
    return hashes[frame["label"].cat.codes.to_numpy()]


def _number_classes(answers, faults):
    """Number the classes that occur, for all models alike, and build the tables."""
    columns = [frame[name] for frame in answers.values() for name in ("label", "prediction")]
    integers = all(pd.api.types.is_integer_dtype(column.cat.categories) for column in columns)
    kind = int if integers else str
    occurring = sorted({kind(name) for column in columns for name in column.cat.categories})
    numbers, place = len(occurring), {name: number for number, name in enumerate(occurring)}
    names = None if integers and occurring == list(range(numbers)) else list(map(str, occurring))
    ids = [
        np.array([place[kind(name)] for name in column.cat.categories], np.int32)[column.cat.codes]
        for column in columns
    ]
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
        for number, (model, frame) in enumerate(answers.items())
    }
    classes = pd.DataFrame(
        {"class": np.arange(numbers), "name": names, "images": np.bincount(label, minlength=numbers)}
    )
    image_ids = next(iter(predictions.values()))["image"]
    return Imported(predictions, _describe_models(predictions, faults), classes, fingerprint(image_ids, label))


def _describe_models(predictions, faults):
    """The models table of answers made elsewhere: accuracy, exclusions and remarks; of the networks nothing is known."""
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
