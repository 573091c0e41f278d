"""The short table that a study ends with."""

import numpy as np
import pandas as pd


def summarise_methods(transfers):
    """Success rate and mean delta per method, in the order in which the methods first appear.

    Transfers that share a student are not independent, so the standard error of the mean delta is that of the
    mean over students: standard deviation of the students' mean deltas / sqrt(students); NaN for one student.

    Args:
        transfers: the transfers table.

    Returns:
        DataFrame indexed by method: transfers, lost (of these without a result, which count as no success), students,
        success_rate (share with delta > 0), median_success (median over students of their success rates, as the paper
        has it), above and below (shares significantly above and below zero, column p at 5 %), above_labels and
        below_labels (shares significantly above and below the control `labels` of the same student, at a false discovery
        rate of 5 %; NaN without it), mean_delta, standard_error, control (it has no teacher); shares are fractions.
    """
    p = transfers["p"]
    transfers = transfers.assign(
        success=transfers["delta"] > 0,
        above=(p < 0.05) & (transfers["delta"] > 0),
        below=(p < 0.05) & (transfers["delta"] < 0),
        **_against_labels(transfers),
    )
    of_student = transfers.groupby(["method", "student"], sort=False)["delta"].mean().groupby("method", sort=False)
    success = transfers.groupby(["method", "student"], sort=False)["success"].mean().groupby("method", sort=False)
    methods = transfers.groupby("method", sort=False)
    return pd.DataFrame(
        {
            "transfers": methods.size(),
            "lost": methods["delta"].agg(lambda delta: delta.isna().sum()),
            "students": of_student.size(),
            "success_rate": methods["success"].mean(),
            "median_success": success.median(),
            "above": methods["above"].mean(),
            "below": methods["below"].mean(),
            "above_labels": methods["above_labels"].mean(),
            "below_labels": methods["below_labels"].mean(),
            "mean_delta": methods["delta"].mean(),
            "standard_error": of_student.sem(),
            "control": methods["teacher"].agg(lambda teacher: teacher.isna().all()),
        }
    )


def _against_labels(transfers):
    """Whether each transfer is significantly above and below the control; NaN where it is not set against it."""
    if "labels_q" not in transfers:
        return {"above_labels": np.nan, "below_labels": np.nan}
    sure, more = transfers["labels_q"] < 0.05, transfers["labels_gain"] > transfers["labels_loss"]
    known = transfers["labels_q"].notna()
    return {
        "above_labels": (sure & more).astype(float).where(known),
        "below_labels": (sure & ~more).astype(float).where(known),
    }


def summarise_teams(teams):
    """Mean delta per way in which several teachers teach, beside those of the same teachers alone.

    Args:
        teams: the teams table.

    Returns:
        DataFrame indexed by way: teams (students times teams times seeds), epochs, mean_delta, single_mean and single_best
        (means of what the members give alone: on the mean, and the best in hindsight), above_mean and above_best (shares
        whose delta is larger), above and below (shares significantly above and below the best, exact McNemar at 5 %).
    """
    sure = teams["single_best_p"] < 0.05
    rows = teams.assign(
        above_mean=teams["delta"] > teams["single_mean"],
        above_best=teams["delta"] > teams["single_best"],
        above=sure & (teams["single_best_gain"] > teams["single_best_loss"]),
        below=sure & (teams["single_best_gain"] < teams["single_best_loss"]),
    )
    ways = rows.groupby("way", sort=False)
    measured = ["delta", "single_mean", "single_best", "above_mean", "above_best", "above", "below"]
    means = ways[measured].mean().rename(columns={"delta": "mean_delta"})
    return pd.concat([ways.size().rename("teams"), ways["epochs"].max(), means], axis=1)


def summarise_rounding(transfers):
    """Rounding error of each student, a Series of fractions, the largest first; empty where it was not measured.

    Args:
        transfers: the transfers table.
    """
    of_student = transfers.dropna(subset=["rounding_error"]).groupby("student")["rounding_error"].first()
    return of_student.sort_values(ascending=False, kind="stable")


def describe_finding(summary):
    """One sentence: which method with a teacher gives most, and what the labels alone give; "" without such a method.

    Args:
        summary: of the methods (summarise_methods).
    """
    taught = summary[~summary["control"].astype(bool)].dropna(subset=["mean_delta"])
    if taught.empty:
        return ""
    best = taught.loc[taught["mean_delta"].idxmax()]
    among = f" of {len(taught)} methods with a teacher" if len(taught) > 1 else ""
    sentence = f"{best.name} gives the most{among}: {_points(best)} (mean delta)"
    if "labels" in summary.index:
        sentence += f"; the labels alone give {_points(summary.loc['labels'])}"
    return f"{sentence}."


def _points(row):
    """Mean delta in points, with its standard error over students where there is one."""
    delta, error = 100 * row["mean_delta"], 100 * row["standard_error"]
    return f"{delta:+.2f} points" if np.isnan(error) else f"{delta:+.2f} +- {error:.2f} points"


def format_summary(summary, figures, rounding, teams=None):
    """Render the summary of a study as text, deltas in percentage points, and say where the figures are.

    Args:
        summary: of the methods (summarise_methods).
        figures: folder of the figures.
        rounding: rounding error by student (summarise_rounding).
        teams: of several teachers (summarise_teams); None where the study has none.
    """
    against = summary[["above_labels", "below_labels"]].map(lambda share: "" if np.isnan(share) else f"{share:.0%}")
    percent = pd.DataFrame(
        {
            "transfers": summary["transfers"],
            "success": summary["success_rate"].map("{:.0%}".format),
            "median": summary["median_success"].map("{:.0%}".format),
            "up": summary["above"].map("{:.0%}".format),
            "down": summary["below"].map("{:.0%}".format),
            ">labels": against["above_labels"],
            "<labels": against["below_labels"],
            "mean delta": [_points(row) for _, row in summary.iterrows()],
        }
    )
    included = " and rounding error" if len(rounding) else ""
    notes = [
        "success: share of transfers with delta above 0; median: median over students of their success rates (as in the paper)",
        f"up, down: share of transfers with delta significantly above and below 0 (exact McNemar test{included}, 5 %)",
        "mean delta: accuracy after minus before, mean over transfers, +- its standard error over students",
        f"{', '.join(summary.index[summary['control']])}: controls, which have no teacher",
    ]
    if summary["above_labels"].notna().any():
        notes.insert(
            2,
            ">labels, <labels: share significantly above and below the student's control `labels` (false discovery rate 5 %)",
        )
    else:
        percent = percent.drop(columns=[">labels", "<labels"])
    notes += _describe_rounding(rounding)
    table = percent.rename_axis("method").reset_index().to_string(index=False)
    if lost := summary["lost"].sum():
        notes.append(f"{lost} transfer(s) have no result; column remark of transfers.parquet says why")
    several = [] if teams is None else _describe_teams(teams)
    return (
        "\n".join([*filter(None, [describe_finding(summary)]), table, *notes, *several, f"figures: {figures}"]) + "\n"
    )


def _describe_rounding(rounding):
    """Lines of the summary on the rounding error; none where it was not measured."""
    if rounding.empty:
        return []
    errors = ", ".join(f"{student} {100 * error:.2f}" for student, error in rounding.items())
    return [
        f"rounding error in points: {errors}",
        "(standard deviation of a student's delta when its weights change as little as rounding on another processor changes them)",
    ]


def _describe_teams(teams):
    """Lines of the summary on several teachers."""
    shares, deltas = ["above_mean", "above_best", "above", "below"], ["mean_delta", "single_mean", "single_best"]
    shown = teams.copy()
    shown[shares] = shown[shares].map("{:.0%}".format)
    shown[deltas] = shown[deltas].map(lambda delta: f"{100 * delta:+.2f}")
    names = {
        "mean_delta": "mean delta",
        "single_mean": "one teacher",
        "single_best": "best one",
        "above_mean": ">one",
        "above_best": ">best",
        "above": "up",
        "below": "down",
    }
    return [
        "",
        shown.rename(columns=names).rename_axis("several teachers").reset_index().to_string(index=False),
        "one teacher: mean delta of the transfers from each member of the team alone; best one: the largest of these deltas,",
        "which is known only afterwards; >one, >best: share of teams above these",
        "up, down: share of teams significantly above and below the best one (exact McNemar test, 5 %)",
    ]
