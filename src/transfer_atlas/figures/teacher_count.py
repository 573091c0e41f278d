"""What more teachers to choose from are worth."""

import numpy as np
from scipy.special import gammaln

from transfer_atlas.figures.layout import WIDE_PANEL, new_panels
from transfer_atlas.figures.style import method_marker, method_name, paper_style, say_empty, taught_methods


def plot_teacher_count(transfers, complementarity):
    """Delta of the chosen teacher against how many there are to choose from, and the best flips against the zoo's size.

    Nothing is trained for it: teachers are drawn from those that a student has had, in all ways at once.

    Args:
        transfers: the transfers table.
        complementarity: the complementarity table.

    Returns:
        Figure of two panels; left: the most complementary teacher (solid) and the best in hindsight (dashed, which
        measurement error lifts) of n; right: the largest positive flips among the others of a zoo of n.
    """
    flips = complementarity[["student", "teacher", "positive_flips"]]
    rows = transfers.dropna(subset=["teacher", "delta"])
    rows = rows.groupby(["method", "student", "teacher"], sort=False)["delta"].mean().reset_index()
    rows = rows.merge(flips, on=["student", "teacher"])
    with paper_style():
        figure, axes = new_panels(2, 2.7, narrowest=WIDE_PANEL)
        _plot_deltas(axes[0], rows, [m for m in taught_methods(transfers) if (rows["method"] == m).any()])
        _plot_flips(axes[1], flips)
    return figure


def _plot_deltas(ax, rows, methods):
    if not methods:
        say_empty(ax, "no transfer of this study has a teacher and a result")
        return
    for number, method in enumerate(methods):
        here = rows[rows["method"] == method]
        marker, style = method_marker(number), {"color": f"C{number}", "markersize": 3}
        ax.plot(*_curve(here, "positive_flips", "delta"), f"{marker}-", label=method_name(method), **style)
        ax.plot(*_curve(here, "delta", "delta"), "--", linewidth=0.8, **style)
    ax.axhline(0, color="black", linewidth=0.6)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("teachers to choose from")
    ax.set_ylabel("delta of the chosen teacher (points)")
    ax.set_title("solid: the most complementary,\ndashed: the best in hindsight", loc="left")
    ax.legend(loc="best", fontsize=6)


def _plot_flips(ax, flips):
    if flips.empty:
        say_empty(ax, "fewer than two models")
        return
    teachers, most = _curve(flips, "positive_flips", "positive_flips")
    ax.plot(teachers + 1, most, "o-", color="C0", markersize=3)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("models in the zoo, the student included")
    ax.set_ylabel("most positive flips (% of images)")
    ax.set_title(f"mean over {flips['student'].nunique()} students", loc="left")


def _curve(rows, chosen_by, value):
    """Numbers of teachers, 1 to the fewest that a student has, and the mean over students in percent."""
    of_students = [group for _, group in rows.groupby("student")]
    most = min(map(len, of_students))
    counts = np.unique(np.geomspace(1, most, 40).round().astype(int)) if most > 40 else np.arange(1, most + 1)
    curves = [expected_of_chosen(group[chosen_by].to_numpy(), group[value].to_numpy(), counts) for group in of_students]
    return counts, 100 * np.mean(curves, axis=0)


def expected_of_chosen(chosen_by, values, counts):
    """Expected value of the teacher that ranks first among n drawn without replacement, for each n of `counts`.

    Of T teachers, the one of rank i (from 1, rising by `chosen_by`) is first among n in C(i - 1, n - 1) of C(T, n)
    draws; so the mean over all draws is a weighted sum, and nothing is drawn.

    Args:
        chosen_by: what the choice looks at, float [teachers].
        values: what it is judged by, float [teachers].
        counts: int [numbers of teachers], 1 to T.

    Returns:
        float [numbers of teachers].
    """
    rank, total, drawn = np.arange(1, len(values) + 1), len(values), np.asarray(counts)[:, None]
    with np.errstate(invalid="ignore"):
        weight = np.exp(_log_choose(rank - 1, drawn - 1) - _log_choose(total, drawn))
    return np.where(rank >= drawn, weight, 0) @ values[np.argsort(chosen_by, kind="stable")]


def _log_choose(n, k):
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(np.maximum(n - k, 0) + 1)
