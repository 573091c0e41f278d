"""How the flips of a few example pairs spread over the classes."""

import numpy as np

from transfer_atlas.figures.layout import WIDE_PANEL, new_panels
from transfer_atlas.figures.style import paper_style, say_empty

MOST_NAMES = 20  # more classes are not named


def plot_flips_by_class(flips_by_class, classes):
    """Share of the flips that each class holds, sorted, one panel per example pair (the paper's Fig. 2).

    Args:
        flips_by_class: the flips_by_class table.
        classes: the classes table.

    Returns:
        Figure with an even spread as a dashed line; few classes are named.
    """
    examples = list(flips_by_class["example"].unique())
    with paper_style():
        figure, axes = new_panels(len(examples), 2.5, narrowest=WIDE_PANEL, sharey=True)
        if not examples:
            say_empty(axes[0], "fewer than two models, so no pairs")
            return figure
        names = classes.set_index("class")["name"]
        for ax, example in zip(axes, examples, strict=True):
            _plot_example(ax, flips_by_class[flips_by_class["example"] == example], example, names)
        axes[0].set_ylim(bottom=0)  # after all panels, for they share the axis, and this fixes its top
        axes[-1].legend(loc="upper right")
        figure.supxlabel("classes, those with most flips first", fontsize=8)
        figure.supylabel("share of the flips (%)", fontsize=8)
    return figure


def _plot_example(ax, rows, example, names):
    rows = rows.sort_values("share_of_flips", ascending=False, kind="stable")
    shares, ranks = 100 * rows["share_of_flips"].to_numpy(), np.arange(1, len(rows) + 1)
    # bars of equal width, without gaps where there are many
    ax.bar(ranks, shares, width=0.8 if len(rows) <= MOST_NAMES else 1, color="C0", alpha=0.6, linewidth=0)
    ax.axhline(100 / len(rows), color="grey", linestyle="--", linewidth=0.8, label="even spread")
    if len(rows) <= MOST_NAMES:
        shown = names.reindex(rows["class"])
        ax.set_xticks(ranks, shown.fillna(rows["class"].astype(str).set_axis(shown.index)), rotation=90, fontsize=6)
    else:
        ax.xaxis.get_major_locator().set_params(integer=True)
    ax.grid(axis="x", visible=False)
    pair = rows.iloc[0]
    title = f"{example} teacher: {rows['flips'].sum():,} flips\n{pair['teacher']}\nfor {pair['student']}"
    ax.set_title(title, loc="left", fontsize=7)
