"""How the flips of a few example pairs spread over the classes."""

import matplotlib.pyplot as plt
import numpy as np

from transfer_atlas.figures.style import TWO_COLUMNS, paper_style, say_empty

PANELS_A_ROW = 3


def plot_flips_by_class(flips_by_class):
    """Share of the flips that each class holds, sorted, one panel per example pair (the paper's Fig. 2).

    Args:
        flips_by_class: the flips_by_class table.

    Returns:
        Figure with an even spread as a dashed line.
    """
    examples = list(flips_by_class["example"].unique())
    rows = max(1, -(-len(examples) // PANELS_A_ROW))
    columns = max(1, min(len(examples), PANELS_A_ROW))
    with paper_style():
        figure, axes = plt.subplots(rows, columns, figsize=(TWO_COLUMNS, 2.5 * rows), sharey=True, squeeze=False)
        if not examples:
            say_empty(axes[0, 0], "fewer than two models, so no pairs")
            return figure
        for ax, example in zip(axes.flat, examples, strict=False):
            _plot_example(ax, flips_by_class[flips_by_class["example"] == example], example)
        axes[0, 0].set_ylim(bottom=0)  # after all panels, for they share the axis, and this fixes its top
        for ax in axes.flat[len(examples) :]:
            ax.set_axis_off()
        axes[0, -1].legend(loc="upper right")
        figure.supxlabel("classes by falling share", fontsize=8)
        figure.supylabel("share of the flips (%)", fontsize=8)
    return figure


def _plot_example(ax, rows, example):
    shares = 100 * np.sort(rows["share_of_flips"].to_numpy())[::-1]
    ranks = np.arange(1, len(shares) + 1)
    ax.fill_between(ranks, shares, step="mid", color="C0", alpha=0.35, linewidth=0)
    ax.step(ranks, shares, where="mid", color="C0", linewidth=1)
    ax.axhline(100 / len(shares), color="grey", linestyle="--", linewidth=0.8, label="even spread")
    ax.xaxis.get_major_locator().set_params(integer=True)
    pair = rows.iloc[0]
    title = f"{example} teacher: {rows['flips'].sum():,} flips\n{pair['teacher']}\nfor {pair['student']}"
    ax.set_title(title, loc="left", fontsize=7)
