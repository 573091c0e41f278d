"""What each teacher knows that the student does not, against their accuracy difference."""

from transfer_atlas.figures.layout import ONE_COLUMN, new_panels
from transfer_atlas.figures.style import paper_style, say_empty, scatter_or_density


def plot_complementarity(complementarity):
    """Positive flips against accuracy difference for all ordered pairs (the paper's Fig. 1).

    Args:
        complementarity: the complementarity table.

    Returns:
        Figure with one dot per pair, or a density where there are many, and the smallest complementarity marked; where pairs
        are one network twice (complementarity.same_network in the config), these pairs and their median.
    """
    difference = 100 * complementarity["accuracy_difference"]
    flips = 100 * complementarity["positive_flips"]
    with paper_style():
        figure, (ax,) = new_panels(1, 2.7, ONE_COLUMN)
        if complementarity.empty:
            say_empty(ax, "fewer than two models, so no pairs")
            return figure
        ax.axvline(0, color="grey", linestyle="--", linewidth=0.8)
        scatter_or_density(ax, difference, flips)
        same = _mark_same_network(ax, difference, flips, complementarity["same_network"].eq(True))
        _mark_minimum(ax, difference, flips)
        ax.set_xlabel("accuracy difference, teacher - student (points)")
        ax.set_ylabel("complementary knowledge\n(% of evaluation images)")
        ax.set_ylim(bottom=0)
        title = f"{len(flips):,} ordered pairs, {complementarity['images'].iloc[0]:,} images"
        if complementarity["accepted_flips"].notna().any():
            title += f"\nby accepted labels: minimum {100 * complementarity['accepted_flips'].min():.1f} %"
        ax.set_title(title + same, loc="left")
    return figure


def _mark_same_network(ax, difference, flips, same):
    """Circles around the pairs that are one network twice, and a line at their median; returns a line of the title."""
    if not same.any():
        return ""
    ax.scatter(difference[same], flips[same], s=22, facecolors="none", edgecolors="C1", linewidths=0.9)
    ax.axhline(flips[same].median(), color="C1", linewidth=0.8)
    return f"\ncircles: one network twice, median {flips[same].median():.1f} %"


def _mark_minimum(ax, difference, flips):
    lowest = flips.min()
    ax.axhline(lowest, color="C3", linewidth=0.8)
    at = {"xytext": (0, 2), "textcoords": "offset points", "ha": "right", "va": "bottom"}
    ax.annotate(f"minimum {lowest:.1f} %", (difference.max(), lowest), color="C3", fontsize=7, **at)
