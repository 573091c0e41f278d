"""What a stream of teachers is worth beside simpler ways to improve the same students."""

from textwrap import fill

import numpy as np

from transfer_atlas.figures.layout import is_narrow, new_panels
from transfer_atlas.figures.style import half_interval, paper_style, say_empty

STRATEGY_NAMES = {
    "flips": "stream, most positive flips next",
    "accuracy": "stream, most accurate next",
    "random": "stream, random next",
    "same": "one teacher, again and again",
    "labels": "labels alone, again and again",
    "soup": "soup of single students",
    "single": "one teacher, chosen on images kept apart",
    "single_accurate": "one teacher, the most accurate",
    "single_hindsight": "one teacher, the best in hindsight",
}


STREAMS = ("flips", "accuracy", "random")


def plot_strategies(strategies):
    """Delta of each student under each strategy, and the mean over students.

    Args:
        strategies: the strategies table.

    Returns:
        Figure with a row per strategy: a dot per student (its mean over seeds), and the mean with its 95 % interval over
        students; at the right the passes over the images that a student takes on average. The title says what all teachers
        know together.
    """
    deltas = 100 * strategies.groupby(["strategy", "student"])["delta"].mean()
    names = [name for name in STRATEGY_NAMES if name in deltas.index.get_level_values("strategy")]
    with paper_style():
        figure, (ax,) = new_panels(1, 0.9 + 0.26 * max(1, len(names)))
        if not names:
            say_empty(ax, "no stream of this study has a result")
            return figure
        epochs = strategies.groupby("strategy")["epochs"].mean()
        for row, name in enumerate(names):
            _plot_strategy(ax, row, deltas[name].to_numpy(), "C0" if name in STREAMS else "0.35")
            ax.annotate(f"{epochs[name]:.0f}", (1.02, row), xycoords=("axes fraction", "data"), va="center", fontsize=7)
        ax.annotate("passes", (1.02, -0.75), xycoords=("axes fraction", "data"), va="center", fontsize=7)
        ax.axvline(0, color="black", linewidth=0.6)
        letters = 22 if is_narrow(figure.get_figwidth()) else 60
        ax.set_yticks(range(len(names)), [fill(STRATEGY_NAMES[name], letters) for name in names])
        ax.set_ylim(len(names) - 0.5, -1)
        ax.set_xlabel("accuracy after less accuracy before (points, evaluation images)")
        ax.set_title(_title(deltas), loc="left")
    return figure


def _plot_strategy(ax, row, deltas, colour):
    ax.plot(deltas, np.full(len(deltas), row), "o", color="0.6", markersize=2.5, alpha=0.7, linestyle="none")
    ax.errorbar(deltas.mean(), row, xerr=half_interval(deltas), fmt="D", color=colour, markersize=4, elinewidth=1)


def _title(deltas):
    students = deltas.index.get_level_values("student").nunique()
    title = f"{students} student{'s' * (students != 1)}"
    if "oracle" in deltas.index.get_level_values("strategy"):
        title += f"; what their teachers know beyond them: {deltas['oracle'].mean():.1f} points"
    return title
