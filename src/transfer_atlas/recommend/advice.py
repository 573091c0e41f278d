"""Which teacher for a student: teachers in the order of their expected deltas."""

import numpy as np
import pandas as pd

from transfer_atlas.analysis.properties import describe_pairs, describe_transfers
from transfer_atlas.errors import InputError, did_you_mean
from transfer_atlas.recommend.model import DeltaModel
from transfer_atlas.statistics import Z_95

EXPECTED = ["student", "teacher", "method", "expected_delta", "expected_low", "expected_high"]
FEWEST_TRANSFERS = 3  # of a method, for anything to be learned from


def recommend_teachers(student, complementarity, models, learned, covariances=None):
    """Rank all other models as teachers of one student, for each method that is learned from.

    Args:
        student: name of the student.
        complementarity: the complementarity table.
        models: the models table.
        learned: what `learnable` gives, empty before any transfer is done.
        covariances: the delta_covariances table; None where errors count as independent.

    Returns:
        The recommendations table: best method first, its best teacher first. Without transfers to learn from, one
        ranking by positive flips, with a null method and null expectations.

    Raises:
        InputError: no such student among the compared models.
    """
    candidates = complementarity.loc[complementarity["student"] == student, ["student", "teacher"]]
    if candidates.empty:
        known = models["model"]
        raise InputError(f"recommend: '{student}' is not among the compared models{did_you_mean(student, known)}")
    candidates = describe_pairs(candidates, complementarity, models)
    candidates = candidates.merge(
        models[["model", "macs"]].rename(columns={"model": "teacher", "macs": "teacher_macs"})
    )
    if not learned:
        ranked = candidates.sort_values("positive_flips", ascending=False, kind="stable")
        return _finish(ranked.assign(method=None, expected_delta=np.nan, expected_low=np.nan, expected_high=np.nan))
    ranked = [_expect(candidates, method, rows, covariances) for method, rows in learned.items()]
    ranked.sort(key=lambda of_method: -of_method["expected_delta"].mean())
    return _finish(pd.concat(ranked))


def expect_deltas(transfers, complementarity, models, covariances=None):
    """Expected delta of every pair, by the method with the largest expected delta for the student.

    Args:
        transfers: the transfers table.
        complementarity: the complementarity table.
        models: the models table.
        covariances: the delta_covariances table; None where errors count as independent.

    Returns:
        The expected_deltas table; empty where no method has enough transfers to learn from.
    """
    pairs = describe_pairs(complementarity[["student", "teacher"]], complementarity, models)
    learned = learnable(transfers_by_method(transfers, complementarity, models))
    expected = [_predict(pairs, method, rows, covariances) for method, rows in learned.items()]
    if not expected:
        return pd.DataFrame(columns=EXPECTED)
    means = pd.DataFrame({of["method"].iloc[0]: of.groupby("student")["expected_delta"].mean() for of in expected})
    table = pd.concat(expected, ignore_index=True)
    return table.loc[table["method"] == table["student"].map(means.idxmax(axis=1)), EXPECTED].reset_index(drop=True)


def transfers_by_method(transfers, complementarity, models):
    """Dict of method to its described transfers, those that have a teacher and a result; empty without transfers."""
    if transfers is None:
        return {}
    rows = describe_transfers(transfers, complementarity, models)
    return dict(list(rows.groupby("method", sort=False)))


def learnable(by_method):
    """Of `transfers_by_method`, the methods that have enough transfers to learn from."""
    return {method: rows for method, rows in by_method.items() if len(rows) >= FEWEST_TRANSFERS}


def covariances_of(covariances, method):
    """The rows of a method in the delta_covariances table, or None."""
    return None if covariances is None else covariances[covariances["method"] == method]


def _expect(candidates, method, rows, covariances):
    measured = rows[["student", "teacher", "delta"]].rename(columns={"delta": "measured_delta"})
    table = _predict(candidates, method, rows, covariances).merge(measured, on=["student", "teacher"], how="left")
    return table.sort_values("expected_delta", ascending=False, kind="stable")


def _predict(pairs, method, rows, covariances):
    expected, error = DeltaModel(rows, covariances_of(covariances, method)).predict(pairs)
    bounds = {"expected_low": expected - Z_95 * error, "expected_high": expected + Z_95 * error}
    return pairs.assign(method=method, expected_delta=expected, **bounds)


def _finish(ranked):
    ranked = ranked.assign(rank=ranked.groupby("method", dropna=False).cumcount() + 1)
    return ranked if "measured_delta" in ranked else ranked.assign(measured_delta=np.nan)
