"""What each teacher knows that the student does not, against their accuracy difference."""

import matplotlib.pyplot as plt

from transfer_atlas.figures.style import ONE_COLUMN, paper_style, say_empty, scatter_or_density


def plot_complementarity(complementarity):
    """Positive flips against accuracy difference for all ordered pairs (the paper's Fig. 1).

    Args:
        complementarity: the complementarity table.

    Returns:
        Figure with one dot per pair, or a density where there are many, and the smallest complementarity marked.
    """
    difference = 100 * complementarity["accuracy_difference"]
    flips = 100 * complementarity["positive_flips"]
    with paper_style():
        figure, ax = plt.subplots(figsize=(ONE_COLUMN, 2.7))
        if complementarity.empty:
            say_empty(ax, "fewer than two models, so no pairs")
            return figure
        ax.axvline(0, color="grey", linestyle="--", linewidth=0.8)
        scatter_or_density(ax, difference, flips)
        _mark_minimum(ax, difference, flips)
        ax.set_xlabel("accuracy difference, teacher - student (points)")
        ax.set_ylabel("complementary knowledge\n(% of evaluation images)")
        ax.set_ylim(bottom=0)
        title = f"{len(flips):,} ordered pairs, {complementarity['images'].iloc[0]:,} images"
        if complementarity["accepted_flips"].notna().any():
            title += f"\nby accepted labels: minimum {100 * complementarity['accepted_flips'].min():.1f} %"
        ax.set_title(title, loc="left")
    return figure


def _mark_minimum(ax, difference, flips):
    lowest = flips.idxmin()
    ax.axhline(flips[lowest], color="C3", linewidth=0.8)
    ax.annotate(
        f"minimum {flips[lowest]:.1f} %",
        (max(difference), flips[lowest]),
        xytext=(0, 2),
        textcoords="offset points",
        color="C3",
        ha="right",
        va="bottom",
        fontsize=7,
    )
