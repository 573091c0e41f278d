"""Whether what a teacher knows sits in few classes or in all of them."""

import numpy as np
from scipy.special import xlogy
from scipy.stats import binom

from transfer_atlas.figures.layout import ONE_COLUMN, new_panels
from transfer_atlas.figures.style import paper_style, say_empty, scatter_or_density


def plot_flip_entropy(complementarity, classes):
    """Entropy of the positive flips over classes against complementarity (the paper's Fig. 2).

    Args:
        complementarity: the complementarity table.
        classes: the classes table.

    Returns:
        Figure with the largest possible entropy, and with what flips that fall into classes by chance reach.
    """
    pairs = complementarity[complementarity["positive_flips"] > 0]
    count = int((classes["images"] > 0).sum())
    with paper_style():
        figure, (ax,) = new_panels(1, 2.7, ONE_COLUMN)
        if pairs.empty:
            say_empty(ax, "no teacher of this study knows anything that its student does not")
            return figure
        images = pairs["images"].iloc[0]
        scatter_or_density(ax, 100 * pairs["positive_flips"], pairs["flip_entropy"])
        flips = np.unique(np.geomspace(1, images * pairs["positive_flips"].max(), 200).astype(int))
        flips = flips[flips >= images * pairs["positive_flips"].min()]
        chance = [entropy_by_chance(k, count) for k in flips]
        ax.plot(100 * flips / images, chance, color="C1", linewidth=1, label="flips spread by chance")
        ax.axhline(np.log(count), color="grey", linestyle="--", linewidth=0.8, label=f"uniform: ln {count:,}")
        ax.set_xlabel("complementary knowledge (% of images)")
        ax.set_ylabel("entropy of the flips (nats)" + ("" if ax.get_ylim()[0] <= 0 else "\n(axis does not start at 0)"))
        ax.set_title(f"{len(pairs):,} ordered pairs, {count:,} classes", loc="left")
        ax.legend(loc="lower right")
    return figure


def entropy_by_chance(flips, classes):
    """Expected entropy in nats of `flips` flips that fall into equally likely `classes` by chance.

    E[H] = ln k - (C / k) sum_j Binomial(j; k, 1 / C) j ln j.
    """
    j = np.arange(flips + 1)
    return np.log(flips) - classes / flips * (binom.pmf(j, flips, 1 / classes) * xlogy(j, j)).sum()
