"""The complementary knowledge of all pairs as one clustered matrix."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch
from scipy.cluster.hierarchy import leaves_list, linkage

from transfer_atlas.figures.layout import TWO_COLUMNS, figure_size, is_narrow, new_panels
from transfer_atlas.figures.style import FAMILY_COLOURS, FAMILY_NAMES, paper_style, say_empty

SMALLEST_NAMES = 4.3  # points; smaller ones are not readable
ROOM_OF_NAMES = 37.7  # points of height for each inch that the figure is wide


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
            figure, (ax,) = new_panels(1, 2)
            say_empty(ax, "fewer than two models, so no pairs")
            return figure
        order = flips.index[cluster(flips.to_numpy())]
        described = models.set_index("model").loc[order]
        width, height = figure_size(TWO_COLUMNS, TWO_COLUMNS * 0.8)
        narrow = is_narrow(width)
        size, ratios = (width, 1.3 * width if narrow else height), [0.05, 1, 0.4] if narrow else [0.025, 1, 0.16]
        figure, axes = plt.subplots(1, 3, figsize=size, width_ratios=ratios, sharey=True)
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


def _size_of_names(ax, names):
    """Size of the font, in points, in which so many names fit side by side."""
    width = ax.figure.get_figwidth()
    return min(5.5 if is_narrow(width) else 7, ROOM_OF_NAMES * width / names)


def _draw_flips(ax, flips):
    values = flips.to_numpy()
    image = ax.imshow(
        values, cmap="viridis", vmin=0, vmax=np.nanquantile(values, 0.995), aspect="auto", interpolation="antialiased"
    )
    ax.grid(False)
    ax.set_facecolor("white")
    ax.tick_params(left=False, labelleft=False)
    ax.set_xlabel("teacher")
    if (size := _size_of_names(ax, len(flips))) >= SMALLEST_NAMES:
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
    if (size := _size_of_names(ax, len(families))) >= SMALLEST_NAMES:
        ax.set_yticks(range(len(families)), families.index, fontsize=size)
    else:
        ax.set_yticks([])


def _draw_accuracies(ax, accuracies):
    """A dot per model, for a bar would have to start at zero."""
    accuracies = 100 * accuracies.to_numpy(dtype=float)
    size = float(np.clip(150 / len(accuracies), 0.5, 4))
    ax.plot(accuracies, range(len(accuracies)), "o", color="dimgrey", markersize=size, rasterized=True)
    ax.margins(x=0.15)
    ax.set_xlabel("accuracy (%)", fontsize=6 if is_narrow(ax.figure.get_figwidth()) else None)
    ax.tick_params(left=False, labelleft=False)
    ax.grid(axis="y", visible=False)


def _name_families(figure, families):
    present = [family for family in FAMILY_COLOURS if (families == family).any()]
    if present:
        patches = [Patch(color=FAMILY_COLOURS[family], label=FAMILY_NAMES[family]) for family in present]
        figure.legend(handles=patches, loc="outside upper right", ncols=len(patches))
