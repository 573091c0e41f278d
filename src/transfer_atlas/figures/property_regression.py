"""Which properties of student and teacher matter together."""

import numpy as np

from transfer_atlas.analysis.properties import FEWEST_STUDENTS, describe_transfers, regress
from transfer_atlas.figures.layout import method_panels
from transfer_atlas.figures.style import paper_style, say_empty, taught_methods


def plot_property_regression(transfers, complementarity, models):
    """Coefficients of a linear regression of the delta on all properties at once.

    Args:
        transfers: the transfers table.
        complementarity: the complementarity table.
        models: the models table.

    Returns:
        Figure, one panel per method; bars are 95 % intervals, robust to what transfers of one student share.
    """
    rows = describe_transfers(transfers, complementarity, models)
    fitted = {method: regress(rows[rows["method"] == method]) for method in taught_methods(transfers)}
    fitted = {method: table for method, table in fitted.items() if table is not None}
    with paper_style():
        figure, axes = method_panels(list(fitted), 2.9, sharey=True)
        if not fitted:
            say_empty(axes[0], f"a regression needs {FEWEST_STUDENTS} students and two transfers per property")
            return figure
        properties = list(dict.fromkeys(name for table in fitted.values() for name in table["property"]))[::-1]
        for ax, table in zip(axes, fitted.values(), strict=True):
            places = np.array([properties.index(name) for name in table["property"]])
            ax.hlines(places, table["low"], table["high"], color="C0", linewidth=0.8)
            ax.plot(table["value"], places, "o", color="C0", markersize=4)
            ax.axvline(0, color="black", linewidth=0.6)
        axes[0].set_yticks(range(len(properties)), properties)
        figure.supxlabel(
            "points of delta per standard deviation, or against the family named (95 % interval, clustered by student)",
            fontsize=8,
        )
    return figure
