"""Accuracy that two models could reach together, against the better of the two."""

import numpy as np

from transfer_atlas.figures.layout import TWO_COLUMNS, WIDE_PANEL, label_rows, new_panels
from transfer_atlas.figures.style import paper_style, say_empty, scatter_or_density

PANELS = {"oracle_accuracy": "a perfect chooser", "confidence_accuracy": "the more confident of the two"}


def plot_pair_accuracy(complementarity):
    """Accuracy of a perfect chooser, and of choosing the more confident model, against the better of the two.

    Args:
        complementarity: the complementarity table.

    Returns:
        Figure with one panel per way to choose; a pair counts once, whatever its order.
    """
    pairs = complementarity[complementarity["student"] < complementarity["teacher"]]
    better = 100 * np.maximum(pairs["student_accuracy"], pairs["teacher_accuracy"])
    panels = {column: chooser for column, chooser in PANELS.items() if pairs[column].notna().any()}
    with paper_style():
        width = TWO_COLUMNS * max(1, len(panels)) / len(PANELS)
        figure, axes = new_panels(len(panels), 2.7, width, narrowest=WIDE_PANEL, sharex=True)
        if not panels:
            say_empty(axes[0], "fewer than two models")
            return figure
        for ax, (column, chooser) in zip(axes, panels.items(), strict=True):
            known = pairs[column].notna()
            gain = 100 * pairs.loc[known, column] - better[known]
            ax.axhline(0, color="grey", linestyle="--", linewidth=0.8)
            scatter_or_density(ax, better[known], gain)
            ax.set_title(f"{chooser}: mean {gain.mean():+.1f}\n{known.sum():,} pairs", loc="left")
            ax.set_xlabel("accuracy of the better model (%)")
            ax.tick_params(labelbottom=True)  # also of a panel that stands above another
        label_rows(axes, "accuracy of the pair\nabove the better model (points)")
        if len(panels) < len(PANELS):
            figure.suptitle("no two models with known confidences", fontsize=8)
    return figure
