"""Significance of gains and losses: of single transfers, over seeds, against controls and against other teachers."""

import numpy as np
import pandas as pd
from scipy.special import ndtr

from transfer_atlas.analysis.rounding import p_of_change, rounding_errors
from transfer_atlas.statistics import Z_95, false_discovery_rate

RESAMPLES = 1000


def judge_transfers(transfers):
    """Test whether transfers gain or lose, by themselves and against the same student trained on the labels alone.

    The difference of two transfers has the rounding error of both.

    Args:
        transfers: rows of the transfer table.

    Returns:
        The transfers table. The control is the student's transfer of the method `labels` with the same seed, else with
        its first.
    """
    rows = transfers.reset_index(drop=True)
    labels = rows[(rows["method"] == "labels") & rows["right_after"].notna()]
    by_seed = labels.set_index(["student", "seed"])["right_after"]
    first = labels.groupby("student")["right_after"].first()
    shares = np.full((len(rows), 2), np.nan)
    for place, row in rows.iterrows():
        control = by_seed.get((row["student"], row["seed"]), first.get(row["student"]))
        if row["method"] != "labels" and row["right_after"] is not None and control is not None:
            shares[place] = _only_one_right(row["right_after"], control) / row["images"]
    rows[["labels_gain", "labels_loss"]] = shares
    rows["rounding_error"] = rows["student"].map(rounding_errors(rows))
    for name, errors in {"": 1, "labels_": 2}.items():
        rounding = np.sqrt(errors) * rows["rounding_error"]
        rows[f"{name}p"] = p_of_change(rows[f"{name}gain"], rows[f"{name}loss"], rows["images"], rounding)
        rows[f"{name}q"] = false_discovery_rate(rows[f"{name}p"])
    return rows.drop(columns="right_after").set_axis(transfers.index)


def judge_sweeps(transfers, points):
    """Judge the transfers of a sweep, each point of it as a study of its own.

    Args:
        transfers: rows of the transfer table.
        points: (key, value) of each row: which key of the recipe was varied, and its value.

    Returns:
        DataFrame with the columns of `judge_transfers`, key and value, in the order of the rows.
    """
    points = pd.DataFrame(points, columns=["key", "value"])
    judged = [judge_transfers(of_point) for _, of_point in transfers.groupby([points["key"], points["value"]])]
    return pd.concat(judged).sort_index().join(points)


def judge_teams(teams, singles, rounding):
    """Test whether teams gain or lose, and compare them with the same student taught by each teacher alone.

    Args:
        teams: rows of the team table.
        singles: rows of the transfer table: of every member of every team.
        rounding: Series of the rounding error by student (rounding.rounding_errors).

    Returns:
        The teams table; single_* and best_teacher are null where the team or all singles have no result.
    """
    rows = teams.reset_index(drop=True)
    alone = singles.set_index(["method", "student", "teacher", "seed"])
    compared = []
    for row in rows.itertuples():
        members = [] if row.teachers is None else row.teachers
        known = alone.loc[[(row.method, row.student, teacher, row.seed) for teacher in members]]
        known = known.dropna(subset=["delta"])
        if known.empty:
            compared.append({})
            continue
        best = known["delta"].idxmax()
        gain, loss = _only_one_right(row.right_after, known.loc[best, "right_after"]) / row.images
        deltas = {"single_mean": known["delta"].mean(), "single_best": known["delta"].max()}
        compared.append(deltas | {"best_teacher": best[2], "single_best_gain": gain, "single_best_loss": loss})
    columns = ["single_mean", "single_best", "best_teacher", "single_best_gain", "single_best_loss"]
    rows = rows.join(pd.DataFrame(compared, columns=columns))
    error = rows["student"].map(rounding)
    rows["p"] = p_of_change(rows["gain"], rows["loss"], rows["images"], error)
    rows["q"] = false_discovery_rate(rows["p"])
    best = rows["single_best_gain"], rows["single_best_loss"]
    rows["single_best_p"] = p_of_change(*best, rows["images"], np.sqrt(2) * error)
    return rows.drop(columns="right_after")


def _only_one_right(bits, others):
    """On how many images only the first is right, and only the second; packed bits of both."""
    here, there = np.frombuffer(bits, np.uint8), np.frombuffer(others, np.uint8)
    return np.array([np.bitwise_count(here & ~there).sum(), np.bitwise_count(~here & there).sum()])


def average_seeds(transfers):
    """The deltas table: means over the seeds of each transfer, with their errors from images, seeds and rounding.

    The evaluation error is the standard error over images of the mean change that an image sees, for all seeds are judged
    on the same images; the seed error is the standard error of the mean over seeds. Seeds differ by rounding too, so the
    larger of seed error and rounding error counts.

    Args:
        transfers: rows of the transfer table.

    Returns:
        DataFrame; p is that of `p_of_change` for a single seed, else two-sided normal from all errors.
    """
    rows, rounding = [], rounding_errors(transfers)
    known = transfers.dropna(subset=["delta"])
    for key, of_seeds in known.groupby(["method", "student", "teacher"], sort=False, dropna=False):
        images, delta, seeds = of_seeds["images"].iloc[0], of_seeds["delta"].mean(), len(of_seeds)
        right = np.mean([np.unpackbits(np.frombuffer(bits, np.uint8)) for bits in of_seeds["right_after"]], axis=0)
        before, kept = of_seeds["accuracy_before"].iloc[0], (of_seeds["accuracy_before"] - of_seeds["loss"]).mean()
        # per image the mean change is m - b, of the share of seeds that are right after and being right before
        square = (right**2).sum() / images - 2 * kept + before
        of_images = np.sqrt(max(0.0, square - delta**2) / images)
        of_seed = of_seeds["delta"].sem() if seeds > 1 else np.nan
        of_rounding = rounding.get(key[1], np.nan) / np.sqrt(seeds)
        error = np.hypot(of_images, np.nanmax([0.0, of_seed, of_rounding]))
        single = p_of_change(of_seeds["gain"].iloc[0], of_seeds["loss"].iloc[0], images, of_rounding).item()
        p = single if seeds == 1 else 2 * ndtr(-abs(delta) / error) if error else 1.0
        bounds = (delta - Z_95 * error, delta + Z_95 * error)
        rows.append((*key, seeds, delta, *bounds, of_images, of_seed, of_rounding, p))
    columns = ["method", "student", "teacher", "seeds", "delta", "delta_low", "delta_high"]
    table = pd.DataFrame(rows, columns=[*columns, "evaluation_error", "seed_error", "rounding_error", "p"])
    return table.assign(teacher=table["teacher"].replace(np.nan, None), q=false_discovery_rate(table["p"]))


def judge_methods(transfers, seed=0):
    """The methods table: how often and by how much each method exceeds nothing, and each control of the same student.

    Args:
        transfers: the transfers table.
        seed: seed of the draws of students, of which the intervals are made.
    """
    known = transfers.dropna(subset=["delta"])
    controls = known[known["teacher"].isna()]
    generator, rows = np.random.default_rng(seed), []
    for method, here in known.groupby("method", sort=False):
        exceeded = {"zero": pd.Series(0.0, index=here.index)}
        for control, of_control in controls[controls["method"] != method].groupby("method", sort=False):
            exceeded[control] = here["student"].map(of_control.groupby("student")["delta"].mean())
        for against, level in exceeded.items():
            over = (here["delta"] - level).dropna()
            if len(over):
                students = here.loc[over.index, "student"]
                counted = {"transfers": len(over), "students": students.nunique()}
                success = _with_interval("success_rate", (over > 0).astype(float), students, generator)
                excess = _with_interval("mean_difference", over, students, generator)
                rows.append({"method": method, "against": against, **counted, **success, **excess})
    names = ("success_rate", "mean_difference")
    measured = [column for name in names for column in (name, f"{name}_low", f"{name}_high")]
    return pd.DataFrame(rows, columns=["method", "against", "transfers", "students", *measured])


def _with_interval(name, values, students, generator):
    """Mean of values, and its bounds from drawing students anew with replacement."""
    groups = values.groupby(students)
    sums, counts = groups.sum().to_numpy(), groups.size().to_numpy()
    low = high = np.nan
    if len(sums) > 2:
        drawn = generator.integers(len(sums), size=(RESAMPLES, len(sums)))
        low, high = np.quantile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), (0.025, 0.975))
    return {name: values.mean(), f"{name}_low": low, f"{name}_high": high}
