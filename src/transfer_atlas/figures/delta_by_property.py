"""How the delta goes with the student's accuracy, size and family."""

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from transfer_atlas.figures.layout import WIDE_PANEL, label_rows, new_panels
from transfer_atlas.figures.style import (
    FAMILY_NAMES,
    method_marker,
    method_name,
    paper_style,
    say_empty,
    scale_delta,
    taught_methods,
)


def plot_delta_by_property(transfers, models):
    """Mean delta of each student over its teachers, against its accuracy, its size and by family.

    Args:
        transfers: the transfers table.
        models: the models table.

    Returns:
        Figure of three panels, methods by colour; bars are standard errors over teachers, or over students by family; one alone has no bar.
    """
    students = models[["model", "accuracy", "parameters", "family"]].rename(columns={"model": "student"})
    rows = transfers.dropna(subset=["teacher", "delta"]).assign(points=lambda t: 100 * t["delta"])
    means = rows.groupby(["method", "student"], sort=False)["points"].agg(["mean", "sem"]).reset_index()
    means = means.merge(students, on="student")
    methods = [method for method in taught_methods(transfers) if (means["method"] == method).any()]
    with paper_style():
        figure, axes = new_panels(3, 2.6, narrowest=WIDE_PANEL, sharey=True)
        if not methods:
            say_empty(axes[0], "no transfer of this study has a teacher and a result")
            return figure
        for number, method in enumerate(methods):
            here = means[means["method"] == method]
            style = {
                "fmt": method_marker(number),
                "color": f"C{number}",
                "markersize": 4,
                "elinewidth": 0.7,
            }
            axes[0].errorbar(100 * here["accuracy"], here["mean"], here["sem"], alpha=0.8, **style)
            axes[1].errorbar(here["parameters"].astype(float) / 1e6, here["mean"], here["sem"], alpha=0.8, **style)
            _plot_families(axes[2], here, (number - (len(methods) - 1) / 2) * 0.8 / len(methods), method, style)
        _label(axes)
    return figure


def _plot_families(ax, rows, shift, method, style):
    of_family = rows.groupby("family")["mean"].agg(["mean", "sem"]).reindex(list(FAMILY_NAMES))
    places = np.arange(len(of_family)) + shift
    ax.errorbar(places, of_family["mean"], of_family["sem"], label=method_name(method), capsize=2, **style)


def _label(axes):
    for ax in axes:
        ax.axhline(0, color="black", linewidth=0.6)
    axes[0].set_xlabel("student accuracy (%)")
    axes[1].set_xscale("log")
    axes[1].xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes[1].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes[1].xaxis.set_minor_locator(NullLocator())
    axes[1].set_xlabel("student size (million parameters)")
    axes[2].set_xticks(range(len(FAMILY_NAMES)), FAMILY_NAMES.values())
    axes[2].set_xlim(-0.6, len(FAMILY_NAMES) - 0.4)
    axes[2].set_xlabel("student family")
    scale_delta(axes[0].yaxis, axes[0].set_yscale, axes[0].get_ylim())
    label_rows(axes, "mean transfer delta (points;\nlogarithmic beyond 1)")
    axes[2].legend(loc="best", fontsize=6)
