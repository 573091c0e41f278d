"""The tables that a job reads, of a zoo of any size."""

from pathlib import Path

from transfer_atlas.store.tables import read_table


def read_tables(paths, students=()):
    """Read tables by their name.

    Args:
        paths: dict of table to its path.
        students: whose pairs are wanted in any case.

    Returns:
        Dict of table to DataFrame. Where there are transfers or `students`, the complementarity table has the rows of these
        students alone, which takes no time in a table of many models.

    Raises:
        InputError: as `store.tables.read_table`.
    """
    tables = {name: read_table(path) for name, path in paths.items() if name != "complementarity"}
    if "complementarity" in paths:
        students = {*students, *(tables["transfers"]["student"] if "transfers" in tables else ())}
        tables["complementarity"] = read_table(paths["complementarity"], students=students or None)
    return tables


def read_in_order(paths):
    """As `read_tables`, for the tables that paths are named after; a list in their order."""
    names = [Path(path).stem.removesuffix("_sample") for path in paths]
    tables = read_tables(dict(zip(names, paths, strict=True)))
    return [tables[name] for name in names]
