"""Colours, names and scales that all figures share."""

from contextlib import contextmanager
from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

MOST_DOTS = 3000  # in one panel
# Chinese, Japanese and Korean letters: on Debian (fonts-noto-cjk, fonts-wqy-zenhei), macOS and Windows
OTHER_SCRIPTS = ("Noto Sans CJK SC", "WenQuanYi Zen Hei", "Arial Unicode MS", "Microsoft YaHei", "Malgun Gothic")

METHOD_MARKERS = "os^Dv<>P"
FAMILY_COLOURS = {"convolution": "C0", "transformer": "C1", "mlp": "C2"}  # of paper.mplstyle
FAMILY_MARKERS = {"convolution": "o", "transformer": "^", "mlp": "s"}
FAMILY_NAMES = {"convolution": "convolution", "transformer": "transformer", "mlp": "MLP"}
METHOD_NAMES = {
    "kl": "KL",
    "xe_kl": "XE-KL",
    "xe_kl_mcl": "XE-KL + MCL",
    "kl_dp": "KL + DP",
    "kl_dp_u": "KL + DP, unsup.",
    "kl_dp_calibrated": "KL + DP, calibrated",
    "cd": "CD",
    "crd": "CRD",
    "bi_kd": "Bi-KD",
    "self": "self (control)",
    "labels": "labels (control)",
    "random": "random (control)",
    "rounding": "rounding (control)",
}


@contextmanager
def paper_style():
    """Apply the paper style while a figure is made, which then is the caller's alone: a notebook shows it once."""
    before = set(plt.get_fignums())
    with plt.style.context(Path(__file__).with_name("paper.mplstyle")):
        plt.rcParams["font.family"] = [*plt.rcParams["font.family"], *_fonts_of_other_scripts()]
        yield
    for number in set(plt.get_fignums()) - before:
        plt.close(number)


@cache
def _fonts_of_other_scripts():
    """Fonts of this machine for letters that the style's own font lacks."""
    return [name for name in OTHER_SCRIPTS if name in font_manager.get_font_names()]


def method_name(method):
    """Printed name of a method; one of the user's own keeps the name it has in the config."""
    return METHOD_NAMES.get(method, method)


def method_marker(number):
    """Marker of the method with this place in a figure, beside its colour C0, C1, ..."""
    return METHOD_MARKERS[number % len(METHOD_MARKERS)]


def taught_methods(transfers):
    """Methods that have a teacher, in the order of the table."""
    return list(transfers.loc[transfers["teacher"].notna(), "method"].unique())


def control_methods(transfers):
    """Methods without a teacher, in the order of the table; not those that repeat another one to measure rounding."""
    controls = transfers["teacher"].isna() & ~(transfers["weight_perturbation"] > 0)
    return list(transfers.loc[controls, "method"].unique())


def count_transfers(transfers):
    """How many transfers there are, and how many of them without a result, for a title."""
    lost = transfers["delta"].isna().sum()
    return f"{len(transfers)} transfers" + (f", {lost} without a result" if lost else "")


def half_interval(values):
    """Half of the 95 % t interval of the mean of values; NaN, which draws none, for a single one."""
    if len(values) < 2:
        return np.nan
    from scipy.stats import t  # half a second that most figures need not pay

    return t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))


def far_controls(rows, by):
    """Controls that lose so much (`random`, for example) that an axis for them would flatten all others.

    Args:
        rows: transfers, with gain and loss.
        by: columns that, with the method, identify one plotted point.

    Returns:
        Dict of method to its largest mean loss, where that is more than five times what any method with a teacher reaches.
    """
    means = rows.groupby(["method", *by])[["gain", "loss"]].mean().max(axis=1).groupby("method").max()
    reached = means.reindex(taught_methods(rows)).max()
    return {
        method: means[method]
        for method in rows.loc[rows["teacher"].isna(), "method"].unique()
        if means[method] > 5 * reached
    }


DELTA_TICKS = (-100, -50, -20, -10, -5, -2, -1, -0.5, 0, 0.5, 1, 2, 5, 10, 20, 50, 100)  # points


def scale_delta(axis, scale, interval):
    """Let an axis of deltas in points be linear within 1 and logarithmic beyond; the label has to say so.

    Args:
        axis: `ax.xaxis` or `ax.yaxis`.
        scale: `ax.set_xscale` or `ax.set_yscale`.
        interval: lowest and highest value to show.
    """
    scale("symlog", linthresh=1, linscale=1.2)
    axis.set_major_locator(FixedLocator([tick for tick in DELTA_TICKS if interval[0] <= tick <= interval[1]]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def scatter_or_density(ax, x, y):
    """Draw one dot per pair, or, where dots would cover each other, how many pairs fall into each hexagon."""
    if len(x) <= MOST_DOTS:
        ax.scatter(x, y, s=14 if len(x) <= 500 else 5, color="C0", alpha=0.55, linewidths=0)
        return
    cells = ax.hexbin(x, y, gridsize=70, bins="log", mincnt=1, cmap="viridis_r", linewidths=0.1, rasterized=True)
    ax.figure.colorbar(cells, ax=ax, label="pairs", aspect=30, pad=0.02)


def say_empty(ax, message):
    """Write why a panel has nothing to show."""
    ax.text(0.5, 0.5, message, transform=ax.transAxes, ha="center", va="center", wrap=True)
    ax.set_xticks([])
    ax.set_yticks([])
