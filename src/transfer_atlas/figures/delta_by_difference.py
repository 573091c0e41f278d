"""The delta against the accuracy difference, in bins."""

import numpy as np
import pandas as pd

from transfer_atlas.figures.layout import ONE_COLUMN, new_panels
from transfer_atlas.figures.style import (
    method_marker,
    method_name,
    paper_style,
    say_empty,
    scale_delta,
    taught_methods,
)

BINS = 8
BEST_QUARTER = 0.75


def plot_delta_by_difference(transfers, complementarity):
    """Mean delta in equal bins of the accuracy difference, and that of each bin's best quarter (the paper's Fig. 4b).

    Args:
        transfers: the transfers table.
        complementarity: the complementarity table.

    Returns:
        Figure; solid: all transfers of a bin, dashed: those at or above its 75th percentile, which is what the paper shows;
        bars: from the 25th to the 75th percentile.
    """
    differences = complementarity[["student", "teacher", "accuracy_difference"]]
    rows = transfers.dropna(subset=["teacher", "delta"]).merge(differences, on=["student", "teacher"])
    with paper_style():
        figure, (ax,) = new_panels(1, 2.7, ONE_COLUMN)
        if rows.empty:
            say_empty(ax, "no transfer of this study has a teacher and a result")
            return figure
        edges = np.linspace(
            rows["accuracy_difference"].min() - 1e-9, rows["accuracy_difference"].max() + 1e-9, BINS + 1
        )
        methods = [method for method in taught_methods(transfers) if (rows["method"] == method).any()]
        shift = 50 * (edges[1] - edges[0]) / (len(methods) + 1)  # bars of several methods stand side by side
        for number, method in enumerate(methods):
            table = bin_deltas(rows[rows["method"] == method], edges)
            x = table["centre"] + (number - (len(methods) - 1) / 2) * shift
            style = {"color": f"C{number}", "markersize": 3.5, "linewidth": 1}
            marker = method_marker(number)
            ax.plot(x, table["mean"], f"{marker}-", label=method_name(method), **style)
            ax.plot(x, table["best_quarter"], "--", **style | {"linewidth": 0.8})
            spread = table[table["transfers"] > 1]
            ax.vlines(x[spread.index], spread["low"], spread["high"], color=f"C{number}", linewidth=0.7, alpha=0.6)
        _count(ax, bin_deltas(rows, edges))
        ax.axhline(0, color="black", linewidth=0.6)
        scale_delta(ax.yaxis, ax.set_yscale, ax.get_ylim())
        ax.set_xlabel("accuracy difference, teacher - student (points)")
        ax.set_ylabel("transfer delta (points;\nlogarithmic beyond 1)")
        ax.set_title(
            "solid: mean of a bin, dashed: its best quarter;\nbar: middle half; above: transfers in the bin",
            loc="left",
        )
        ax.legend(loc="best", fontsize=6)
    return figure


def _count(ax, table):
    """Write the number of transfers of all methods above each bin."""
    above = ax.get_xaxis_transform()
    for centre, number in zip(table["centre"], table["transfers"], strict=True):
        ax.text(centre, 0.98, f"{number}", transform=above, ha="center", va="top", fontsize=5, color="grey")


def bin_deltas(rows, edges):
    """Mean delta and mean of the best quarter per bin, in points.

    Args:
        rows: transfers with delta and accuracy_difference.
        edges: bounds of the bins, rising.

    Returns:
        DataFrame with centre, mean, low and high (quartiles), best_quarter, transfers; bins without transfers are left out.
    """
    places = pd.cut(rows["accuracy_difference"], edges, labels=False)
    bins = []
    for place, deltas in (100 * rows["delta"]).groupby(places):
        best = deltas[deltas >= deltas.quantile(BEST_QUARTER)]
        centre = 50 * (edges[int(place)] + edges[int(place) + 1])
        low, high = deltas.quantile([0.25, 0.75])
        row = {"centre": centre, "mean": deltas.mean(), "low": low, "high": high}
        bins.append(row | {"best_quarter": best.mean(), "transfers": len(deltas)})
    return pd.DataFrame(bins)
