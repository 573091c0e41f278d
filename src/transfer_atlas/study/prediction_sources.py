"""The files of predictions made elsewhere. Apart from `sources`: an edit here must not index images anew."""

import glob
import re
from pathlib import Path

from transfer_atlas.errors import InputError
from transfer_atlas.store.files import refuse_lfs_pointer
from transfer_atlas.study.names import check_file_name

TABLE_SUFFIXES = (".parquet", ".csv", ".tsv", ".csv.gz", ".tsv.gz", ".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
PREDICTION_SUFFIXES = (*TABLE_SUFFIXES, ".npy", ".npz")


def prediction_files(patterns):
    """Find the files of predictions made elsewhere, pattern by pattern; those of one pattern are sorted by name.

    Raises:
        InputError: a pattern that matches no file, or files of a kind that cannot be read or with braces in their path.
    """
    files = []
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        pattern = str(Path(pattern).expanduser())
        # a path that is there is meant as it stands, brackets and all
        found = [pattern] if Path(pattern).is_file() else sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 (Path.glob refuses absolute patterns)
        if not found:
            raise InputError(f"predictions.files: no file matches {pattern}")
        files += [file for file in found if file not in files]
    for file in files:
        check_file_name(file, "predictions.files")
        if not file.lower().endswith(PREDICTION_SUFFIXES):
            raise InputError(f"predictions.files: {file} is none of {', '.join(PREDICTION_SUFFIXES)}")
        refuse_lfs_pointer(file)
    return files


def labels_file(predictions, files):
    """The file of `predictions.labels`, or None; `predictions.image_pattern` is checked too.

    Args:
        predictions: config section `predictions`.
        files: of `prediction_files`.

    Raises:
        InputError: the file does not exist, or predictions are arrays and there are no labels; `image_pattern` is no
            regular expression with one group.
    """
    if pattern := predictions.get("image_pattern"):
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            raise InputError(f"predictions.image_pattern: {pattern} is no regular expression ({error})") from None
        if groups != 1:
            raise InputError(
                f"predictions.image_pattern: {pattern} has {groups} groups; put the id of the image in one pair of parentheses"
            )
    arrays = [file for file in files if not file.lower().endswith(TABLE_SUFFIXES)]
    if "labels" not in predictions:
        if arrays:
            raise InputError(
                f"predictions.files: the array {arrays[0]} has no labels; name a file of them in predictions.labels"
            )
        return None
    return _check_table(predictions, "labels", (*TABLE_SUFFIXES, ".npy"))


def columns_of(predictions):
    """What each column is called in the files; null in the config says that the files do not have it.

    Raises:
        InputError: a column that is needed is null, or two columns have one name.
    """
    columns = {ours: theirs for ours, theirs in predictions["columns"].items() if theirs is not None}
    needed = ["image", "prediction", *["label"] * ("labels" not in predictions)]
    if missing := [name for name in needed if name not in columns]:
        raise InputError(
            f"predictions.columns.{missing[0]}: is null, but this column is needed; write what it is called"
        )
    of_predictions = {ours: theirs for ours, theirs in columns.items() if ours != "accepted"}
    for ours, theirs in of_predictions.items():
        first = next(name for name, column in of_predictions.items() if column == theirs)
        if first != ours:
            raise InputError(
                f"predictions.columns: {first} and {ours} are both '{theirs}'; each is a column of its own"
            )
    return columns


def accepted_labels_file(predictions):
    """The file of `predictions.accepted_labels`, or None.

    Raises:
        InputError: the file does not exist, or is no table.
    """
    return _check_table(predictions, "accepted_labels", TABLE_SUFFIXES) if "accepted_labels" in predictions else None


def _check_table(predictions, key, suffixes):
    file = Path(predictions[key]).expanduser()
    if not file.is_file():
        raise InputError(f"predictions.{key}: no file {file}")
    if not file.name.lower().endswith(suffixes):
        raise InputError(f"predictions.{key}: {file} is none of {', '.join(suffixes)}")
    check_file_name(file, f"predictions.{key}")
    refuse_lfs_pointer(file)
    return str(file)
