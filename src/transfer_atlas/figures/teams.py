"""Several teachers against one."""

import numpy as np

from transfer_atlas.figures.layout import WIDE_PANEL, legend_outside, new_panels
from transfer_atlas.figures.style import METHOD_MARKERS, method_name, paper_style, say_empty
from transfer_atlas.statistics import Z_95

WAY_NAMES = {
    "sequential": "sequential",
    "descending": "sequential, best first",
    "matched": "sequential, one budget",
    "parallel": "parallel",
    "soup": "soup",
}
SPREAD = 0.6  # of a student's row that its markers take


def plot_teams(teams):
    """Delta of each student with several teachers, beside what each of these gives alone (the paper's Tab. 4).

    Args:
        teams: the teams table.

    Returns:
        Figure of two panels; left: a row per student and team, the grey bar from the mean to the best of the single
        transfers, means over seeds with 95 % intervals; right: mean delta after each teacher of a sequence.
    """
    rows = teams.dropna(subset=["delta"])
    taught = rows.groupby(["team", "student"], sort=False).ngroups
    with paper_style():
        figure, axes = new_panels(2, max(2.6, 1.1 + 0.34 * taught), narrowest=WIDE_PANEL, width_ratios=(3, 2))
        if rows.empty:
            say_empty(axes[0], "no team of this study has a result")
            say_empty(axes[1], "")
            return figure
        ways = list(rows["way"].unique())
        _plot_students(axes[0], rows, ways)
        _plot_stages(axes[1], rows, ways)
        if taught > 6:  # a row each makes the left panel tall, and nothing the right one
            axes[1].set_box_aspect(1)
            axes[1].set_anchor("N")
        legend_outside(figure, axes[0], "outside lower center")
    return figure


def _plot_students(ax, rows, ways):
    several = rows["team"].nunique() > 1
    names = []
    for place, ((team, student), here) in enumerate(rows.groupby(["team", "student"], sort=False)):
        mean, best = 100 * here["single_mean"].mean(), 100 * here["single_best"].mean()
        label = "one teacher: mean to best" if place == 0 else None
        ax.barh(place, best - mean, left=mean, height=0.85, color="0.8", label=label)
        for number, (way, of_way) in enumerate(here.groupby("way", sort=False)):
            at = place + SPREAD * ((number + 0.5) / len(ways) - 0.5)
            error = np.sqrt((of_way["delta_standard_error"] ** 2).sum()) / len(of_way)
            style = _style(ways.index(way)) | {"linestyle": "none"}
            name = WAY_NAMES[way] if place == 0 else None
            ax.errorbar(100 * of_way["delta"].mean(), at, xerr=100 * Z_95 * error, elinewidth=0.6, label=name, **style)
        names.append(f"{student}\n({team})" if several else student)
    ax.axvline(0, color="black", linewidth=0.6)
    ax.set_yticks(range(len(names)), names, fontsize=6)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlabel("transfer delta (points)")
    ax.set_title(f"{method_name(rows['method'].iloc[0])}, {_sizes(rows)} teachers", loc="left")


def _sizes(rows):
    sizes = sorted(rows["teachers"].map(len).unique())
    return " or ".join(map(str, sizes))


def _plot_stages(ax, rows, ways):
    sequences = rows[rows["stage_delta"].map(len) > 1]
    if sequences.empty:
        say_empty(ax, "no teachers\none after another")
        return
    for way, here in sequences.groupby("way", sort=False):
        most = here["stage_delta"].map(len).max()
        complete = here[here["stage_delta"].map(len) == most]
        means = 100 * np.mean(np.stack(complete["stage_delta"]), axis=0)
        ax.plot(range(most + 1), [0, *means], **_style(ways.index(way)))
    ax.axhline(0, color="black", linewidth=0.6)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("teachers that have taught")
    ax.set_ylabel("mean delta (points)")
    ax.set_title("one after another", loc="left")


def _style(number):
    return {"color": f"C{number}", "marker": METHOD_MARKERS[number], "markersize": 3.5}
