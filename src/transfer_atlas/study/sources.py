"""The files that a study starts from: its images, or tables that were handed over."""

from pathlib import Path

from transfer_atlas.errors import InputError
from transfer_atlas.store.files import refuse_lfs_pointer


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


def given_tables(folder):
    """Names of the tables in the results folder of a study; other Parquet files do not count.

    Raises:
        InputError: there is none.
    """
    from transfer_atlas.schemas.tables import SCHEMAS  # pyarrow, which most runs of Snakemake need not import

    tables = sorted(path.stem for path in Path(folder).glob("*.parquet") if path.stem in SCHEMAS)
    if not tables:
        raise InputError(f"{folder}: has no tables (*.parquet); put those of the study there")
    return tables
