"""What two models could reach together, against the better of the two."""

import matplotlib.pyplot as plt
import numpy as np

from transfer_atlas.figures.style import TWO_COLUMNS, paper_style, say_empty, scatter_or_density

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
    with paper_style():
        figure, axes = plt.subplots(1, 2, figsize=(TWO_COLUMNS, 2.7), sharex=True)
        for ax, (column, chooser) in zip(axes, PANELS.items(), strict=True):
            known = pairs[column].notna()
            if not known.any():
                say_empty(ax, "no two models with known confidences" if len(pairs) else "fewer than two models")
                continue
            gain = 100 * pairs.loc[known, column] - better[known]
            ax.axhline(0, color="grey", linestyle="--", linewidth=0.8)
            scatter_or_density(ax, better[known], gain)
            ax.set_title(f"{chooser}: {gain.mean():+.1f} on average\n{known.sum():,} pairs", loc="left")
            ax.set_xlabel("accuracy of the better model (%)")
        axes[0].set_ylabel("accuracy of the pair\nabove the better model (points)")
    return figure
