"""What each way to choose a teacher costs and gives: rules of thumb, short transfers from every teacher, successive halving.

The cost of a way is counted in transfers of full length, the one that is made from the chosen teacher included. A rule of
thumb reads tables alone and costs that one transfer. A probe makes a short transfer from every teacher; successive halving
(Jamieson and Talwalkar 2016) makes shorter ones at first and drops the worse half of the teachers before each longer one.
Whoever tries a teacher judges it on the transfer images that are kept apart, never on the evaluation images.
"""

import math

import numpy as np
import pandas as pd

from transfer_atlas.recommend.advice import covariances_of, learnable, transfers_by_method
from transfer_atlas.recommend.check import OURS, RULES, predict_left_out, spread_within
from transfer_atlas.recommend.model import error_matrix
from transfer_atlas.schemas.tables import SCHEMAS

ALIKE = "most alike in output"
PROBE, HALVING, ALL = "probe", "successive halving", "all tried"
KNOWN = "the truly best teacher"
DRAWS = 4000


def compare_choices(transfers, sweeps, complementarity, models, shares, covariances=None, outputs=None):
    """The choices table: for each student the teacher that each way takes, what that costs and gives.

    Args:
        transfers: the transfers table.
        sweeps: the sweeps table, with short transfers where `image_share` was varied.
        complementarity: the complementarity table.
        models: the models table.
        shares: dict of method to the share of the transfer images that its transfers of full length learn from.
        covariances: the delta_covariances table; None where errors count as independent.
        outputs: the output_similarity table; None for no rule that reads it.

    Returns:
        DataFrame. Students with fewer than two teachers and methods that no recommendation can be learned from are left out.
    """
    tables = []
    for method, rows in learnable(transfers_by_method(transfers, complementarity, models)).items():
        rows = rows.groupby("student", sort=False).filter(lambda group: len(group) > 1).reset_index(drop=True)
        if rows["student"].nunique() < 3:
            continue
        of_method = covariances_of(covariances, method)
        tried = _tried(transfers, sweeps, method, shares[method])
        found = [
            *_by_rules(rows, of_method, outputs),
            *_by_trying(rows, tried, shares[method]),
            *_ceiling(rows, of_method),
        ]
        tables.append(pd.DataFrame(found).assign(method=method))
    nothing = pd.DataFrame(columns=SCHEMAS["choices"].names)
    return pd.concat(tables, ignore_index=True) if tables else nothing


def _by_rules(rows, covariances, outputs):
    """Choices that need no transfer of the student; the recommendation is learned from the other students'."""
    scores = {OURS: predict_left_out(rows, "student", covariances)}
    scores |= {name: rule(rows) for name, rule in RULES.items()}
    if outputs is not None:
        known = outputs.set_index(["student", "teacher"])["output_agreement"]
        scores[ALIKE] = known.reindex(pd.MultiIndex.from_frame(rows[["student", "teacher"]])).set_axis(rows.index)
    for name, score in scores.items():
        if score.notna().all():
            for student, group in rows.assign(score=score).groupby("student", sort=False):
                best = group["score"] == group["score"].max()
                yield _row(student, name, group, group.loc[best, "teacher"], 1.0)


def _tried(transfers, sweeps, method, own_share):
    """Accuracy on the images kept apart after transfers of each length, [student and teacher, share]; empty without such images."""
    full = transfers[transfers["method"] == method].assign(share=own_share)
    short = sweeps[(sweeps["key"] == "image_share") & (sweeps["method"] == method)]
    short = short.assign(share=short["value"].astype(float))
    rows = pd.concat([full, short[short["share"] < own_share]], ignore_index=True)
    rows = rows.dropna(subset=["teacher", "selected_accuracy"])
    return rows.pivot_table(index=["student", "teacher"], columns="share", values="selected_accuracy", aggfunc="mean")


def _by_trying(rows, tried, full):
    """Choices by transfers from all teachers, judged on the images kept apart; `full` is the share of those of full length."""
    for student, group in rows.groupby("student", sort=False):
        if student not in tried.index.get_level_values("student"):
            continue
        # a length at which a transfer has no result is left out
        accuracy = tried.loc[student].reindex(group["teacher"]).dropna(axis=1)
        if full not in accuracy:
            continue
        for share in accuracy.columns[:-1]:
            cost = len(accuracy) * share / full + 1
            yield _row(student, PROBE, group, [accuracy[share].idxmax()], cost, share)
            teacher, cost = _halve(accuracy.loc[:, share:])
            yield _row(student, HALVING, group, [teacher], cost, share)
        yield _row(student, ALL, group, [accuracy[full].idxmax()], len(accuracy), full)


def _halve(accuracy):
    """Successive halving: the teacher that is left, and the cost in transfers of full length.

    Args:
        accuracy: on the images kept apart, [teacher, share], shares rising; the last is of full length.
    """
    *short, full = accuracy.columns
    left, cost = accuracy, 0.0
    for share in short:
        cost += len(left) * share / full
        left = left.nlargest(math.ceil(len(left) / 2), share, keep="first")
    return left[full].idxmax(), cost + len(left)


def _ceiling(rows, covariances):
    """Regret and gain of a choice by the true deltas, simulated: measurement errors alone cause its regret.

    The true deltas of a student's teachers are drawn with the spread that `spread_within` finds, their errors with the
    covariances that are known.
    """
    generator, errors = np.random.default_rng(0), error_matrix(rows, covariances)
    spread, *_ = spread_within(rows, covariances)
    for student, places in rows.groupby("student", sort=False).indices.items():
        true = generator.normal(0, spread, (DRAWS, len(places)))
        noise = generator.multivariate_normal(np.zeros(len(places)), errors[np.ix_(places, places)], DRAWS)
        measured, best = true + noise, true.argmax(axis=1)
        taken = measured[np.arange(DRAWS), best]
        yield {
            "student": student,
            "rule": KNOWN,
            "teachers": len(places),
            "regret": (measured.max(axis=1) - taken).mean(),
            "over_chance": (taken - measured.mean(axis=1)).mean(),
        }


def _row(student, rule, group, teachers, cost, share=np.nan):
    """One choice; if a rule ranks several teachers first, the mean of their deltas counts."""
    delta = group.loc[group["teacher"].isin(list(teachers)), "delta"].mean()
    return {
        "student": student,
        "rule": rule,
        "image_share": share,
        "teachers": len(group),
        "teacher": next(iter(teachers)) if len(teachers) == 1 else None,
        "cost": cost,
        "delta": delta,
        "regret": group["delta"].max() - delta,
        "over_chance": delta - group["delta"].mean(),
    }
