"""Classes of predictions made elsewhere: read as text, and decided once for all files of a study."""

import re
import unicodedata
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from transfer_atlas.errors import InputError

INTEGER = re.compile(r"[+-]?\d+(\.0*)?")
FRACTION = re.compile(r"[+-]?(\d*\.\d+|\d+\.\d*)([eE][+-]?\d+)?|[+-]?\d+[eE]-\d+|[+-]?inf(inity)?", re.IGNORECASE)
LIST = re.compile(r"[\[({].*[\])}]", re.DOTALL)
NO_VALUE = ("", "nan")  # in any case; a class may be called NA or none


def to_text(values):
    """A column of any type as text: trimmed, in composed Unicode, None where there is no value.

    Args:
        values: Series.

    Raises:
        TypeError: a value is a list or an array.
    """
    if pd.api.types.infer_dtype(values, skipna=True) == "string":  # the common case, in Arrow for speed
        array = pa.array(values, from_pandas=True)
        texts = pc.utf8_trim_whitespace(pc.utf8_normalize(array, "NFC"))
        missing = pc.is_in(pc.utf8_lower(texts), pa.array(NO_VALUE, texts.type))
        return pd.Series(pc.if_else(missing, None, texts).to_pandas().to_numpy(object), values.index)
    values = values.astype(object)
    of_value = {value: _text(value) for value in values.unique()}  # a list cannot be hashed
    return values.map(of_value)


def _text(value):
    if value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, bytes):
        value = value.decode()
    text = unicodedata.normalize("NFC", str(value)).strip()
    return None if text.lower() in NO_VALUE else text


def describe_impossible(text):
    """Why a text is no class, or None: classes are whole numbers from 0 or names."""
    if LIST.fullmatch(text):
        return "is a list, not a class; give the class with the largest value"
    if INTEGER.fullmatch(text):
        return "is not a class id (0, 1, 2, ...)" if Decimal(text) < 0 else None
    if FRACTION.fullmatch(text):
        return "is a number that is no class; give the class with the largest score"
    return None


def decide_classes(texts):
    """Decide what the classes of a study are: whole numbers if every text is one, else names.

    As numbers 1, 01 and 1.0 are the same class. Among names 1 and 1.0 are the same, and so are TRUE, True and true; any
    other difference makes another class.

    Args:
        texts: all texts that occur as labels or predictions in any file.

    Returns:
        Dict of text to class, an int or a name.
    """
    if all(INTEGER.fullmatch(text) for text in texts):
        return {text: int(Decimal(text)) for text in texts}
    return {text: class_name(text) for text in texts}


def class_name(text):
    """The name of the class that a text stands for, in a study whose classes have names."""
    if INTEGER.fullmatch(text):
        return text.split(".")[0].removeprefix("+")
    return text.capitalize() if text.lower() in ("true", "false") else text


def check_shared_class(labels, predictions):
    """Refuse a model none of whose predictions is a class that occurs as a label.

    Args:
        labels: the classes of its labels.
        predictions: the classes of its predictions.

    Raises:
        InputError: names one of each.
    """
    labels, predictions = set(labels), set(predictions)
    if not labels & predictions:
        label, prediction = (min(map(str, classes)) for classes in (labels, predictions))
        raise InputError(
            f"no prediction is a class that occurs as a label: the labels are such as '{label}', the predictions such as "
            f"'{prediction}'; use the same names or numbers for both"
        )
