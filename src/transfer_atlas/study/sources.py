"""The files that a study starts from: its images, or predictions made elsewhere."""

import glob
from pathlib import Path

from transfer_atlas.errors import InputError
from transfer_atlas.store.files import refuse_lfs_pointer

PREDICTION_SUFFIXES = (".parquet", ".csv", ".tsv", ".csv.gz", ".tsv.gz", ".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")


def image_files(images, split):
    """Find the files of one split, or its folder, sorted by name.

    Args:
        images: config section `images`.
        split: train, transfer or evaluation; transfer images are training images, and so are held-out ones.

    Raises:
        InputError: no file matches.
    """
    own = split == "evaluation" and not images["held_out"]
    root, pattern = Path(images["root"]), images["evaluation" if own else "train"]
    files = sorted(map(str, root.glob(pattern)))
    if not files:
        raise InputError(f"images.root: no file matches {root / pattern}; set images.root to the data set's folder")
    for file in files:
        if Path(file).is_file():
            refuse_lfs_pointer(file)
    return files


def prediction_files(patterns):
    """Find the files of predictions made elsewhere, in the order of the patterns, then by name.

    Raises:
        InputError: a pattern that matches no file, or files of a kind that cannot be read.
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
        if not file.lower().endswith(PREDICTION_SUFFIXES):
            raise InputError(f"predictions.files: {file} is none of {', '.join(PREDICTION_SUFFIXES)}")
        refuse_lfs_pointer(file)
    return files


def given_tables(folder):
    """Names of the tables in the results folder of a study whose tables were handed over (`tables: given`).

    Raises:
        InputError: there is none.
    """
    tables = sorted(path.stem for path in Path(folder).glob("*.parquet"))
    if not tables:
        raise InputError(f"{folder}: has no tables (*.parquet); put those of the study there")
    return tables
