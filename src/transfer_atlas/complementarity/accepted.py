"""Several right classes per image: labels that people accepted when they looked again, as ReaL has them (Beyer et al. 2020)."""

import re
from decimal import Decimal

import numpy as np
import pandas as pd

from transfer_atlas.complementarity.class_names import INTEGER, class_name, to_text
from transfer_atlas.complementarity.prediction_files import match_images, read_prediction_file
from transfer_atlas.errors import InputError

SEPARATORS = re.compile(r"\s*[,;|]\s*|(?<=\d)\s+(?=\d)")  # of classes in a cell of text; names may hold blanks


def read_accepted_labels(file, columns, image_pattern, images, classes):
    """Read the accepted classes of each image.

    Args:
        file: table with the columns `image` and `accepted`, whose cells are lists or texts of classes.
        columns: dict of our column names to those of the file, as in `import_predictions`.
        image_pattern: as in `import_predictions`.
        images: Series of the ids of the evaluation images.
        classes: the classes table.

    Returns:
        DataFrame of the accepted_labels table, in the order of `images`: empty lists where nobody accepted a class, or where
        the file has no row. Classes that no model predicts and no image has as its label are left out.

    Raises:
        InputError: the file cannot be read, an image comes twice, or no image or no class is one of the study's.
    """
    columns = {name: columns[name] for name in ("image", "accepted")}
    frame = read_prediction_file(file, columns, ("image", "accepted"))
    ids = to_text(match_images(frame["image"], image_pattern, file))
    if ids.duplicated().any():
        row = ids.duplicated().idxmax()
        raise InputError(f"{file}, row {row}: image '{ids[row]}' comes twice")
    known = ids.isin(images)
    if not known.any():
        raise InputError(
            f"{file}: no image is one of the predictions' (such as '{ids.iloc[0]}' here and '{images.iloc[0]}' there); "
            "predictions.image_pattern can cut the ids"
        )
    exploded = frame["accepted"].map(_cell_classes)[known].explode().dropna()
    numbers = exploded.map(_number_of(classes))
    if numbers.isna().all():
        raise InputError(f"{file}: no accepted class is one of the predictions' (such as '{exploded.iloc[0]}')")
    numbers = numbers.dropna().astype(int)
    lists = numbers.groupby(ids[numbers.index]).agg(lambda found: sorted(set(found)))
    empty = pd.Series([[]] * len(images), index=images.to_numpy())
    return pd.DataFrame(
        {"image": images.to_numpy(), "accepted": lists.reindex(images.to_numpy()).fillna(empty).tolist()}
    )


def accepted_matrix(prediction, accepted):
    """Which predictions are accepted.

    Args:
        prediction: int [models, images], classes.
        accepted: lists of classes, as many as images.

    Returns:
        (accepted, judged): bool [models, images], and bool [images] that have at least one accepted class.
    """
    sizes = np.array([len(classes) for classes in accepted])
    padded = np.full((len(accepted), max(1, sizes.max(initial=0))), -1)
    padded[np.arange(padded.shape[1]) < sizes[:, None]] = np.concatenate([*accepted, []])
    return np.stack([(row[:, None] == padded).any(axis=1) for row in prediction]), sizes > 0


def _cell_classes(cell):
    """The classes of a cell, a list or a text, as texts."""
    if isinstance(cell, str):
        return [text for text in SEPARATORS.split(cell.strip("[]() ")) if text]
    return [] if cell is None else [str(value) for value in np.ravel(cell) if not pd.isna(value)]


def _number_of(classes):
    """A function that maps the text of a class to its number, or to NaN where the study has no such class."""
    names = classes["name"].where(classes["name"].notna(), classes["class"].astype(str))
    place = dict(zip(names, classes["class"], strict=True))
    integers = names.map(lambda name: INTEGER.fullmatch(name) is not None).all()

    def number(text):
        name = str(int(Decimal(text))) if integers and INTEGER.fullmatch(text) else class_name(text)
        return place.get(name, np.nan)

    return number
