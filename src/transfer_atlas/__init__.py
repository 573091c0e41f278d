"""Transfer Atlas: what another image classifier knows that yours does not, and how much of it can be transferred.

import transfer_atlas
pairs = transfer_atlas.compare({"mine": predictions, "other": other_predictions}, labels)
tables = transfer_atlas.read_study("results/embedded")
"""


def __getattr__(name):
    """`__version__`, looked up when it is asked for and not at the start of every job."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("transfer-atlas")


def compare(predictions, labels):
    """Compare all ordered pairs of models from arrays of predictions; see `complementarity.compare.compare`."""
    from transfer_atlas.complementarity.compare import compare  # pandas and numba are not needed at every start

    return compare(predictions, labels)


def read_study(folder):
    """Read the tables of a study.

    Args:
        folder: its results folder, such as results/embedded.

    Returns:
        Dict of table name (models, complementarity, transfers, ...) to DataFrame; docs/results.md describes the columns. Of a
        complementarity table in parts, which would not fit into memory, it is the sample.

    Raises:
        InputError: there are no tables, or one is damaged.
    """
    from pathlib import Path

    from transfer_atlas.store.tables import read_table
    from transfer_atlas.study.sources import given_tables

    paths = {table: Path(folder) / f"{table}.parquet" for table in given_tables(folder)}
    return {
        table: read_table(path.with_stem(f"{table}_sample") if path.is_dir() else path) for table, path in paths.items()
    }
