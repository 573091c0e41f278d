"""Whether the classes that a teacher knows best are handed over best."""

import numpy as np

from transfer_atlas.figures.layout import WIDE_PANEL, new_panels
from transfer_atlas.figures.style import method_marker, method_name, paper_style, say_empty, taught_methods
from transfer_atlas.statistics import TOP_PERCENTS


def plot_class_transfer_rate(transfers):
    """Transfer rate inside the classes that hold the top X % of the flips, beside the paper's formula (its Fig. 5a).

    Args:
        transfers: the transfers table.

    Returns:
        Figure: on the left images are counted, on the right 100 - X + (share of the gain in these classes) gain / flips
        after, which cannot fall below 100 - X. Dashed: what a rate that is the same for all classes gives.
    """
    rows = transfers.dropna(subset=["transfer_rate"])
    methods = [method for method in taught_methods(transfers) if (rows["method"] == method).any()]
    with paper_style():
        figure, axes = new_panels(2, 2.7, narrowest=WIDE_PANEL)
        if not methods:
            say_empty(axes[0], "no transfer of this study has a teacher that knows more than its student")
            return figure
        for number, method in enumerate(methods):
            here, marker = rows[rows["method"] == method], method_marker(number)
            style = {"color": f"C{number}", "label": method_name(method), "fmt": f"{marker}-"}
            _plot(axes[0], [here[f"top{percent}_transfer_rate"] for percent in TOP_PERCENTS], style, here["student"])
            axes[0].axhline(100 * here["transfer_rate"].mean(), color=f"C{number}", linestyle="--", linewidth=0.7)
            ratio = here["gain"] / here["positive_flips_after"]
            paper = [1 - p / 100 + here[f"top{p}_gain_share"] * ratio for p in TOP_PERCENTS]
            _plot(axes[1], paper, style, here["student"])
            flat = [100 * (1 - p / 100 + p / 100 * ratio).mean() for p in TOP_PERCENTS]
            axes[1].plot(range(len(TOP_PERCENTS)), flat, color=f"C{number}", linestyle="--", linewidth=0.7)
        for ax in axes:
            ax.set_xticks(range(len(TOP_PERCENTS)), [f"{percent} %" for percent in TOP_PERCENTS])
            ax.set_xlabel("classes that hold the top X % of the flips")
            ax.set_ylim(bottom=0)
        axes[0].set_ylabel("transfer rate (% of images\nthat the teacher alone knew)")
        axes[1].set_ylabel("the paper's formula (%)")
        axes[1].set_title("counts all gains, so may exceed 100 %", loc="left")
        axes[0].set_title(f"{len(rows)} transfers; dashed: all classes alike", loc="left")
        axes[1].legend(loc="lower left", fontsize=6)
    return figure


def _plot(ax, rates, style, students):
    """Mean over students with its standard error, which one student alone does not have."""
    means = [rate.groupby(students).mean() for rate in rates]
    places, error = range(len(rates)), [100 * mean.sem() for mean in means]
    ax.errorbar(places, [100 * np.nanmean(mean) for mean in means], error, markersize=4, capsize=2, **style)
