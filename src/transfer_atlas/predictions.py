"""Answers of all models: read for comparison, or taken over from files made elsewhere. Needs no torch."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from transfer_atlas.complementarity import Answers
from transfer_atlas.errors import InputError
from transfer_atlas.statistics import accuracy_standard_error
from transfer_atlas.tables import (
    SCHEMAS,
    exclusion,
    fingerprint,
    read_metadata,
    read_table,
    write_excluded,
    write_table,
)

REQUIRED = ("image", "label", "prediction")
PROBABILITIES = ("label_probability", "confidence")
LARGEST_CLASS = 10_000_000  # larger integers are hardly class ids, and every class takes memory


def read_answers(paths):
    """Read the predictions tables of all models that are not excluded.

    Args:
        paths: predictions tables, one per model and named after it, or the folder that holds them.

    Returns:
        Answers, in the order of `paths`.

    Raises:
        InputError: fewer than two models, or a model that answered other images or labels than most others.
    """
    paths = sorted(Path(paths).glob("*.parquet")) if isinstance(paths, str) else map(Path, paths)
    paths = [path for path in paths if exclusion(path) is None]
    if len(paths) < 2:
        raise InputError(
            f"{len(paths)} model(s) with predictions; a comparison needs two, see remark in models.parquet"
        )
    reference = paths[find_odd([read_metadata(path)["fingerprint"] for path in paths], paths)]
    labels = pq.read_table(reference, columns=["label"])["label"].to_numpy()
    prediction = np.empty((len(paths), len(labels)), np.int32)
    confidence = np.empty((len(paths), len(labels)), np.float32)
    for row, path in enumerate(paths):
        table = pq.read_table(path, columns=["prediction", "confidence"])
        prediction[row], confidence[row] = table["prediction"].to_numpy(), table["confidence"].to_numpy()
    return Answers([path.stem for path in paths], labels, prediction, confidence)


def find_odd(fingerprints, paths):
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
            fault = _difference(read_table(path, columns), read_table(paths[majority], columns))
            raise InputError(f"model {path.stem}: {fault}; compute its logits again")
    return majority


def _difference(table, reference):
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

    Rows may come in any order; the images are sorted by id. Classes that are integers in all files keep their numbers,
    else the names of labels and predictions are sorted and numbered.

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
        raise InputError(f"{file}: cannot be read as a table ({' '.join(str(error).split())[:200]})") from None
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
        _refuse(frame, ~values.between(0, LARGEST_CLASS), f"{name} is not a class id (0, 1, 2, ...)")
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
        model: _difference(answers[model][["image", "label"]].astype(str), reference)
        for model, found in prints.items()
        if found != majority
    }


def _codes_of_labels(frame):
    """Labels as integers that do not depend on which other classes a file mentions: a hash of each name."""
    names = pd.Series(frame["label"].cat.categories.astype(str))
    hashes = pd.util.hash_array(names.to_numpy(dtype=object)).view(np.int64)
    return hashes[frame["label"].cat.codes.to_numpy()]


def _number_classes(answers, faults):
    """Number the classes of all models alike and build the tables."""
    columns = [frame[name] for frame in answers.values() for name in ("label", "prediction")]
    if all(pd.api.types.is_integer_dtype(column.cat.categories) for column in columns):
        names, numbers = None, int(max(column.cat.categories.max() for column in columns)) + 1
        ids = [column.astype(np.int32) for column in columns]
    else:
        names = sorted({str(name) for column in columns for name in column.cat.categories})
        numbers, place = len(names), {name: number for number, name in enumerate(names)}
        ids = [
            np.array([place[str(name)] for name in column.cat.categories], np.int32)[column.cat.codes]
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
