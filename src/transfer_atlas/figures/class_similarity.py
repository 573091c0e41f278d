"""Whether the classes that hold most of the flips resemble each other."""

import numpy as np

from transfer_atlas.figures.layout import ONE_COLUMN, new_panels
from transfer_atlas.figures.style import paper_style, say_empty
from transfer_atlas.statistics import TOP_PERCENTS


def plot_class_similarity(complementarity):
    """Similarity of the classes that hold the top X % of the flips, against X (the paper's Fig. 2).

    Args:
        complementarity: the complementarity table.

    Returns:
        Figure with median, quartiles and number of pairs at each X; pairs with fewer than two such classes have none.
    """
    increases = [100 * complementarity[f"top{percent}_similarity"].dropna() for percent in TOP_PERCENTS]
    places = [place for place, values in enumerate(increases) if len(values)]
    with paper_style():
        figure, (ax,) = new_panels(1, 2.7, ONE_COLUMN)
        if not places:
            say_empty(ax, "no pair has two classes among the top 50 % of its flips")
            return figure
        low, median, high = np.array([np.quantile(increases[place], (0.25, 0.5, 0.75)) for place in places]).T
        ax.axhline(0, color="grey", linestyle="--", linewidth=0.8, label="mean over all classes")
        ax.fill_between(places, low, high, color="C0", alpha=0.25, linewidth=0, label="middle half of the pairs")
        ax.vlines(places, low, high, color="C0", linewidth=0.8)
        ax.plot(places, median, "o-", color="C0", label="median over pairs")
        names = [f"{TOP_PERCENTS[place]} %\n{len(increases[place]):,}" for place in places]
        ax.set_xticks(places, names)
        ax.set_xlim(places[0] - 0.4, places[-1] + 0.4)
        ax.set_xlabel("classes that hold the top X % of the flips\n(below: pairs with at least two such classes)")
        ax.set_ylabel("similarity of these classes,\nabove the mean of all classes (%)")
        ax.set_title(f"{len(complementarity):,} ordered pairs", loc="left")
        ax.legend(loc="best")
    return figure
