"""A study's transfers beside published ones, student by student."""

import numpy as np
import pandas as pd

from transfer_atlas.errors import InputError

PUBLISHED = ("student", "method", "teachers", "mean_delta", "std_delta", "success_rate", "source")


def read_published(path):
    """Read a sheet of published results: tab-separated, fractions, an empty cell where a number is not known.

    Args:
        path: the sheet, with the columns PUBLISHED; deltas are means and population standard deviations over teachers.

    Raises:
        InputError: it cannot be read, lacks a column, or has text where a number belongs.
    """
    try:
        table = pd.read_csv(path, sep="\t")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a sheet of published results ({error})") from None
    if missing := [name for name in PUBLISHED if name not in table]:
        raise InputError(f"{path}: column '{missing[0]}' is missing; the columns are {', '.join(PUBLISHED)}")
    for name in PUBLISHED[2:6]:
        if not pd.api.types.is_numeric_dtype(table[name]):
            raise InputError(f"{path}: column '{name}' should hold numbers alone")
    return table[list(PUBLISHED)]


def compare_with_published(transfers, published):
    """What a student gains on average over its teachers, here and published.

    Args:
        transfers: the transfers table.
        published: of `read_published`.

    Returns:
        The agreement table: one row per student and method that both have.
    """
    taught = transfers.dropna(subset=["teacher", "delta"])
    of_pairs = taught.groupby(["method", "student", "teacher"], sort=False)["delta"].mean().reset_index()
    ours = of_pairs.groupby(["method", "student"], sort=False)["delta"].agg(
        teachers="count",
        delta="mean",
        delta_standard_error="sem",
        success_rate=lambda delta: (delta > 0).mean(),
    )
    theirs = published.rename(
        columns={"teachers": "published_teachers", "mean_delta": "published_delta", "success_rate": "published_success"}
    )
    table = theirs.merge(ours.reset_index(), on=["method", "student"])
    # of a population standard deviation over n teachers
    error = table["std_delta"] / np.sqrt(np.maximum(table["published_teachers"] - 1, 1))
    return table.assign(published_standard_error=error).drop(columns="std_delta")
