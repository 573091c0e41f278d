"""Which single properties of student and teacher the delta goes with."""

import numpy as np

from transfer_atlas.analysis.properties import correlate, describe_transfers
from transfer_atlas.figures.layout import method_panels
from transfer_atlas.figures.style import paper_style, say_empty, taught_methods


def plot_property_correlation(transfers, complementarity, models):
    """Spearman correlation of the delta with each property; correlation ratio for families, which have no order.

    Args:
        transfers: the transfers table.
        complementarity: the complementarity table.
        models: the models table.

    Returns:
        Figure, one panel per method; bars are 95 % intervals from drawing students anew, ticks what eta exceeds by chance in
        5 % of the cases.
    """
    rows = describe_transfers(transfers, complementarity, models)
    methods = [method for method in taught_methods(transfers) if (rows["method"] == method).sum() > 2]
    with paper_style():
        figure, axes = method_panels(methods, 2.6, sharey=True, sharex=True)
        if not methods:
            say_empty(axes[0], "a correlation needs three transfers with a teacher and a result")
            return figure
        for ax, method in zip(axes, methods, strict=True):
            here = rows[rows["method"] == method]
            _plot_method(ax, correlate(here))
            ax.set_title(f"{ax.get_title(loc='left')}\n{len(here)} pairs", loc="left")
        figure.supxlabel(
            "correlation with the delta (filled: Spearman's rho, -1 to 1, with 95 % interval; "
            "hollow: eta of families, 0 to 1, with the 95th percentile of chance as a tick)",
            fontsize=8,
        )
    return figure


def _plot_method(ax, table):
    places = np.arange(len(table))[::-1]
    for kind, fill in (("numeric", "C0"), ("category", "white")):
        here = (table["kind"] == kind).to_numpy()
        ax.plot(table["value"][here], places[here], "o", color="C0", markerfacecolor=fill, markersize=4)
    ax.hlines(places, table["low"].astype(float), table["high"].astype(float), color="C0", linewidth=0.8)
    ax.plot(table["chance"], places, "|", color="grey", markersize=8)
    ax.axvline(0, color="black", linewidth=0.6)
    ax.set_yticks(places, table["property"])
    ax.set_xlim(-1.05, 1.05)
