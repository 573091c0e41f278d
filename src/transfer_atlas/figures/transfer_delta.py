"""What a transfer changes in the student's accuracy, against the accuracy difference, per method."""

import numpy as np

from transfer_atlas.figures.layout import label_rows, legend_outside, new_panels
from transfer_atlas.figures.style import (
    control_methods,
    count_transfers,
    method_name,
    paper_style,
    say_empty,
    scale_delta,
    taught_methods,
)

CONTROL_LINES = ("--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 4)))
CONTROL_COLOURS = ("C1", "C2", "C3", "C4", "C5")


def plot_transfer_delta(transfers, complementarity):
    """Scatter transfer delta against accuracy difference, one panel per method, controls as lines.

    Args:
        transfers: the transfers table.
        complementarity: the complementarity table.

    Returns:
        Figure; error bars are one standard error, from images and rounding, the axis is linear within 1 point of zero.
    """
    methods, controls = taught_methods(transfers), control_methods(transfers)
    differences = complementarity[["student", "teacher", "accuracy_difference"]]
    taught = transfers.merge(differences, on=["student", "teacher"])
    with paper_style():
        figure, axes = new_panels(len(methods), 2.6, sharex=True, sharey=True)
        if not methods:
            say_empty(axes[0], "no method of this study has a teacher")
        for ax, method in zip(axes, methods, strict=False):
            _plot_method(ax, taught[taught["method"] == method])
            ax.set_title(f"{method_name(method)}\n{count_transfers(taught[taught['method'] == method])}", loc="left")
        if methods:
            scale_delta(axes[0].yaxis, axes[0].set_yscale, axes[0].get_ylim())
            axes[0].autoscale_view(scalex=False)  # margins on the new scale
            axes[0].set_ylim(axes[0].get_ylim())  # a control far outside must not squeeze the transfers
            for ax in axes:
                _draw_controls(ax, transfers, controls)
        label_rows(axes, "transfer delta (points;\nlogarithmic beyond 1)")
        figure.supxlabel("accuracy difference, teacher - student (points)", fontsize=8)
        if methods and controls:
            legend_outside(figure, axes[0], "outside upper center")
    return figure


def _plot_method(ax, rows):
    ax.axhline(0, color="black", linewidth=0.6)
    error = 100 * np.hypot(rows["delta_standard_error"], rows["rounding_error"].fillna(0))
    x, y = 100 * rows["accuracy_difference"], 100 * rows["delta"]
    few, many = len(rows) <= 50, len(rows) > 200
    style = {"color": "C0", "alpha": 0.8, "markersize": 3.5 if few else 2, "elinewidth": 0.3 if many else 0.7}
    _, _, bars = ax.errorbar(x, y, error, fmt="o", **style)
    if many:  # bars would cover the points
        bars[0].set_alpha(0.25)


def _draw_controls(ax, transfers, controls):
    for number, control in enumerate(controls):
        mean = 100 * transfers.loc[transfers["method"] == control, "delta"].mean()
        low, high = ax.get_ylim()
        outside = "" if low <= mean <= high else " (outside)"
        place = number % len(CONTROL_LINES)
        style = {"color": CONTROL_COLOURS[place], "linestyle": CONTROL_LINES[place], "linewidth": 0.9}
        ax.axhline(mean, label=f"{method_name(control)} {mean:+.2f}{outside}", **style)
