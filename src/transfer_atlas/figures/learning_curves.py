"""What each epoch of a transfer gives and takes."""

import numpy as np

from transfer_atlas.figures.layout import label_rows, method_panels
from transfer_atlas.figures.style import far_controls, paper_style, say_empty
from transfer_atlas.statistics import mean_over_students


def plot_learning_curves(histories):
    """Gain and loss after each epoch, one panel per method; the training loss where a study evaluates the last epoch alone.

    Args:
        histories: the histories table.

    Returns:
        Figure; bands are standard errors over students.
    """
    methods = list(histories["method"].unique())
    evaluated = histories["gain"].notna().any()
    curves = {"gain": ("C2", "o-"), "loss": ("C3", "s--")} if evaluated else {"objective": ("C0", "o-")}
    with paper_style():
        figure, axes = method_panels(methods, 2.3, sharex=True, sharey=bool(evaluated))
        if not methods:
            say_empty(axes[0], "no transfer of this study has a result")
            return figure
        for ax, method in zip(axes, methods, strict=True):
            rows = histories[histories["method"] == method]
            for column, style in curves.items():
                _plot_curve(ax, rows, column, *style)
            ax.xaxis.get_major_locator().set_params(integer=True)
        _leave_out_far(axes, methods, histories)
        if evaluated:
            label_rows(axes, "change against before\n(% of evaluation images)")
            axes[0].legend(loc="best")
        else:
            label_rows(axes, "mean training loss (nats)")
            for ax in axes:  # what is nearly nothing looks like nothing
                ax.set_ylim(0, max(0.01, ax.get_ylim()[1]))
        band = "band: standard error over students" if histories["student"].nunique() > 1 else "one student"
        below = "" if evaluated else "; for gain and loss set transfer.evaluate_epochs"
        figure.supxlabel(f"epochs ({band}{below})", fontsize=8)
    return figure


def _leave_out_far(axes, methods, histories):
    """Let the axis end where the other methods do, and say so."""
    far = far_controls(histories, ["epoch"])
    near = [line for ax, method in zip(axes, methods, strict=True) if method not in far for line in ax.lines]
    if far and near:
        top = 1.4 * max(line.get_ydata().max() for line in near)
        axes[0].set_ylim(-0.05 * top, top)
        for ax, method in zip(axes, methods, strict=True):
            if method in far:
                ax.set_title(f"{ax.get_title(loc='left')}:\nloses {100 * far[method]:.0f} %", loc="left")


def _plot_curve(ax, rows, column, colour, line):
    scale = 1 if column == "objective" else 100
    known = rows.dropna(subset=[column])
    found = [(epoch, *mean_over_students(here, column)) for epoch, here in known.groupby("epoch")]
    start = [] if column == "objective" else [(0, 0.0, 0.0)]  # before the first epoch nothing has changed
    epochs, mean, error = np.array(start + found, float).reshape(-1, 3).T
    ax.plot(epochs, scale * mean, line, color=colour, label=column, markersize=3)
    ax.fill_between(epochs, scale * (mean - error), scale * (mean + error), color=colour, alpha=0.2, linewidth=0)
