"""What each teacher knows that the student does not, against their accuracy difference."""

import matplotlib.pyplot as plt

from transfer_atlas.figures.style import ONE_COLUMN, paper_style


def plot_complementarity(complementarity):
    """Scatter positive flips against accuracy difference for all ordered pairs (the paper's Fig. 1).

    Args:
        complementarity: the complementarity table.

    Returns:
        Figure with one dot per pair and the smallest complementarity marked.
    """
    difference = 100 * complementarity["accuracy_difference"]
    flips = 100 * complementarity["positive_flips"]
    with paper_style():
        figure, ax = plt.subplots(figsize=(ONE_COLUMN, 2.7))
        ax.axvline(0, color="grey", linestyle="--", linewidth=0.8)
        ax.scatter(difference, flips, s=14, color="C0", alpha=0.55, linewidths=0)
        _mark_minimum(ax, difference, flips)
        ax.set_xlabel("accuracy difference, teacher - student (points)")
        ax.set_ylabel("complementary knowledge\n(% of evaluation images)")
        ax.set_ylim(bottom=0)
        ax.set_title(f"{len(flips)} ordered pairs, {complementarity['images'].iloc[0]:,} images", loc="left")
    return figure


def _mark_minimum(ax, difference, flips):
    lowest = flips.idxmin()
    ax.axhline(flips[lowest], color="C3", linewidth=0.8)
    ax.annotate(
        f"minimum {flips[lowest]:.1f} %",
        (max(difference), flips[lowest]),
        xytext=(0, -3),
        textcoords="offset points",
        color="C3",
        ha="right",
        va="top",
        fontsize=7,
    )
