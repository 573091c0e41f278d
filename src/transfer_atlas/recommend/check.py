"""Whether recommendations are better than rules of thumb, on students and teachers that were left out of the fit."""

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import chi2, spearmanr

from transfer_atlas.recommend.advice import covariances_of, learnable, transfers_by_method
from transfer_atlas.recommend.model import DeltaModel, error_matrix
from transfer_atlas.schemas.tables import SCHEMAS

CHANCE = "chance"
# what people do without an atlas; larger is better
RULES = {
    "most accurate": lambda rows: rows["teacher_accuracy"],
    "most complementary": lambda rows: rows["positive_flips"],
    "most flips beyond difficulty": lambda rows: rows["flips_over_expected"],
    "lowest in error consistency": lambda rows: -rows["error_consistency"],
    "lowest in chance-adjusted similarity": lambda rows: -rows["chance_adjusted_similarity"],
    CHANCE: lambda rows: pd.Series(0.0, rows.index),
}
OURS = "recommended"


def check_recommendations(transfers, complementarity, models, covariances=None):
    """Leave each student out, then each teacher, and compare the choice with rules of thumb.

    Args:
        transfers: the transfers table.
        complementarity: the complementarity table.
        models: the models table.
        covariances: the delta_covariances table; None where errors count as independent.

    Returns:
        The recommendation_checks table. Students with fewer than two teachers tell nothing and are left out.
    """
    tables = []
    for method, rows in learnable(transfers_by_method(transfers, complementarity, models)).items():
        rows = rows.groupby("student", sort=False).filter(lambda group: len(group) > 1).reset_index(drop=True)
        for left_out in ("student", "teacher"):
            if rows[left_out].nunique() < 3:
                continue
            of_method = covariances_of(covariances, method)
            scores = {OURS: predict_left_out(rows, left_out, of_method)}
            scores |= {name: score for name, rule in RULES.items() if (score := rule(rows)).notna().all()}
            table = pd.DataFrame(_compare(rows, scores))
            tables.append(table.assign(method=method, left_out=left_out))
    nothing = pd.DataFrame(columns=SCHEMAS["recommendation_checks"].names)
    return pd.concat(tables, ignore_index=True) if tables else nothing


def predict_left_out(rows, left_out, covariances=None):
    """Expected delta of each transfer by a model that saw nothing of its student, or teacher.

    Args:
        rows: of `properties.describe_transfers`, of one method, with a fresh index.
        left_out: student or teacher.
        covariances: as in `model.error_matrix`.
    """
    expected = pd.Series(np.nan, rows.index)
    for _, group in rows.groupby(left_out):
        expected[group.index] = DeltaModel(rows.drop(group.index), covariances).expect(group)
    return expected


def _compare(rows, scores):
    """One row per rule, means over students; `scores` are of each transfer, larger is better."""
    regrets = {name: _regrets(rows.assign(score=score)) for name, score in scores.items()}
    for name, regret in regrets.items():
        more = regret - regrets[OURS]
        yield {
            "rule": name,
            "students": len(regret),
            "rank_correlation": _rank_correlation(rows.assign(score=scores[name])),
            "regret": regret.mean(),
            "more_regret": more.mean(),
            "more_regret_standard_error": more.sem(),
        }


def _regrets(rows):
    """Delta of the best teacher less that of the one with the highest score, by student."""

    def regret(group):
        # of equal scores any may be taken, so their mean is what to expect
        taken = group.loc[group["score"] == group["score"].max(), "delta"].mean()
        return group["delta"].max() - taken

    return rows.groupby("student", sort=False)[["score", "delta"]].apply(regret)


def _rank_correlation(rows):
    """Mean over students of Spearman's rho of score and delta; NaN where no student has three teachers that differ."""
    correlations = [
        spearmanr(group["score"], group["delta"]).statistic
        for _, group in rows.groupby("student", sort=False)
        if len(group) > 2 and group["score"].nunique() > 1 and group["delta"].nunique() > 1
    ]
    return np.mean(correlations) if correlations else np.nan


def noise_ceiling(rows, covariances=None):
    """How much of the variance of the deltas of one method is more than measurement error.

    Args:
        rows: of `properties.describe_transfers`, of one method.
        covariances: as in `model.error_matrix`; errors that the transfers of a student share make them no more different.

    Returns:
        Dict of share (of the variance over all pairs) and share_within (over the teachers of a student), at least 0;
        spread_within: standard deviation of the true deltas of a student's teachers, a fraction; error: root mean
        square standard error of the difference of two deltas of a student, divided by the square root of 2.
    """
    errors, deltas = error_matrix(rows, covariances), rows["delta"].to_numpy()
    total, noise = _variance(deltas, errors)
    freedom = squares = noise_squares = 0.0
    for places in rows.reset_index(drop=True).groupby("student").indices.values():
        if len(places) > 1:
            within, expected = _variance(deltas[places], errors[np.ix_(places, places)])
            freedom, squares = freedom + len(places) - 1, squares + (len(places) - 1) * within
            noise_squares += (len(places) - 1) * expected
    within, noise_within = (squares / freedom, noise_squares / freedom) if freedom else (np.nan, np.nan)
    return {
        "share": max(0.0, 1 - noise / total) if total else 0.0,
        "share_within": max(0.0, 1 - noise_within / within) if within else 0.0,
        "spread_within": np.sqrt(max(0.0, within - noise_within)),
        "error": np.sqrt(noise_within),
    }


def _variance(values, errors):
    """Sample variance of values, and its expectation if errors were the only difference."""
    n = len(values)
    if n < 2:
        return np.nan, np.nan
    return values.var(ddof=1), (np.trace(errors) - errors.sum() / n) / (n - 1)


def spread_within(rows, covariances=None):
    """Standard deviation of the true deltas of a student's teachers, with its interval, and which students have any.

    Q is the sum over students of the squared deviations from their mean, weighted by the inverse of the covariances that
    errors and spread give them; it is chi-squared at the true spread. The estimate is the spread at which Q is its own
    expectation (Paule and Mandel 1982), so that students with large errors count less; the interval holds every spread that
    Q does not exclude (Q profile, Viechtbauer 2007).

    Args:
        rows: of `properties.describe_transfers`, of one method.
        covariances: as in `model.error_matrix`.

    Returns:
        (spread, low, high, p): estimate and 95 % bounds, fractions; and p by student that all its teachers give the same,
        a Series.
    """
    errors = error_matrix(rows, covariances)
    groups = rows.reset_index(drop=True).groupby("student", sort=False).indices.items()
    blocks = {
        student: (rows["delta"].to_numpy()[places], errors[np.ix_(places, places)])
        for student, places in groups
        if len(places) > 1
    }
    freedom = sum(len(deltas) - 1 for deltas, _ in blocks.values())

    def excess(spread, expected):
        return sum(_weighted_squares(*block, spread) for block in blocks.values()) - expected

    largest = 100 * max(np.ptp(deltas) + np.sqrt(np.diag(error).max()) for deltas, error in blocks.values())
    expected = [freedom, chi2.ppf(0.975, freedom), chi2.ppf(0.025, freedom)]
    found = [brentq(excess, 0, largest, (value,)) if excess(0, value) > 0 else 0.0 for value in expected]
    p = {student: chi2.sf(_weighted_squares(*block, 0), len(block[0]) - 1) for student, block in blocks.items()}
    return *found, pd.Series(p)


def _weighted_squares(deltas, errors, spread):
    weights = np.linalg.inv(errors + spread**2 * np.eye(len(deltas)))
    mean = weights.sum(axis=0) @ deltas / weights.sum()
    return (deltas - mean) @ weights @ (deltas - mean)
