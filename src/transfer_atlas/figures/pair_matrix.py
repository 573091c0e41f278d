"""The complementary knowledge of all pairs as one clustered matrix."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch
from scipy.cluster.hierarchy import leaves_list, linkage

from transfer_atlas.figures.style import FAMILY_COLOURS, FAMILY_NAMES, TWO_COLUMNS, paper_style, say_empty

MOST_NAMES = 60  # more are not readable


def plot_pair_matrix(complementarity, models):
    """Heat map of positive flips, models in clusters, with their family and accuracy beside.

    Args:
        complementarity: the complementarity table.
        models: the models table; a null family has no colour.

    Returns:
        Figure; students are rows, teachers columns, both in the same order.
    """
    flips = 100 * complementarity.pivot(index="student", columns="teacher", values="positive_flips")
    with paper_style():
        if flips.empty:
            figure, ax = plt.subplots(figsize=(TWO_COLUMNS, 2))
            say_empty(ax, "fewer than two models, so no pairs")
            return figure
        order = flips.index[cluster(flips.to_numpy())]
        described = models.set_index("model").loc[order]
        figure, axes = plt.subplots(
            1, 3, figsize=(TWO_COLUMNS, TWO_COLUMNS * 0.8), width_ratios=[0.025, 1, 0.16], sharey=True
        )
        _draw_families(axes[0], described["family"])
        image = _draw_flips(axes[1], flips.loc[order, order])
        _draw_accuracies(axes[2], described["accuracy"])
        label = "complementary knowledge (% of evaluation images)"
        figure.colorbar(image, ax=axes, label=label, location="bottom", shrink=0.5, aspect=40, pad=0.02)
        axes[1].set_title(
            f"{len(order):,} models, {len(complementarity):,} ordered pairs; models that err alike stand together",
            loc="left",
            fontsize=7,
        )
        _name_families(figure, described["family"])
    return figure


def cluster(flips):
    """Order of the models in which similar ones stand side by side.

    Args:
        flips: float [models, models], positive flips; its diagonal is not read.

    Returns:
        int [models]: leaves of an average linkage of the disagreements, flips + their transpose.
    """
    disagreement = flips + flips.T
    upper = disagreement[np.triu_indices(len(flips), k=1)]  # the condensed form that linkage takes
    return leaves_list(linkage(upper, method="average", optimal_ordering=len(flips) <= 300))


def _draw_flips(ax, flips):
    values = flips.to_numpy()
    image = ax.imshow(
        values, cmap="viridis", vmin=0, vmax=np.nanquantile(values, 0.995), aspect="auto", interpolation="antialiased"
    )
    ax.grid(False)
    ax.set_facecolor("white")
    ax.tick_params(left=False, labelleft=False)
    ax.set_xlabel("teacher")
    if len(flips) <= MOST_NAMES:
        size = min(7, 260 / len(flips))
        ax.set_xticks(range(len(flips)), flips.columns, rotation=90, fontsize=size)
    else:
        ax.set_xticks([])
    return image


def _draw_families(ax, families):
    colours = [to_rgb(FAMILY_COLOURS.get(family, "white")) for family in families]
    ax.imshow(np.array(colours)[:, None], aspect="auto", interpolation="nearest")
    ax.set_xticks([])
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.set_ylabel("student")
    if len(families) <= MOST_NAMES:
        ax.set_yticks(range(len(families)), families.index, fontsize=min(7, 260 / len(families)))
    else:
        ax.set_yticks([])


def _draw_accuracies(ax, accuracies):
    """A dot per model, for a bar would have to start at zero."""
    accuracies = 100 * accuracies.to_numpy(dtype=float)
    size = float(np.clip(150 / len(accuracies), 0.5, 4))
    ax.plot(accuracies, range(len(accuracies)), "o", color="dimgrey", markersize=size, rasterized=True)
    ax.margins(x=0.15)
    ax.set_xlabel("accuracy (%)")
    ax.tick_params(left=False, labelleft=False)
    ax.grid(axis="y", visible=False)


def _name_families(figure, families):
    present = [family for family in FAMILY_COLOURS if (families == family).any()]
    if present:
        patches = [Patch(color=FAMILY_COLOURS[family], label=FAMILY_NAMES[family]) for family in present]
        figure.legend(handles=patches, loc="outside upper right", ncols=len(patches))
