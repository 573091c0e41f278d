"""How the delta grows with one key of the recipe: data, epochs, learning rate."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import NullLocator

from transfer_atlas.figures.layout import TWO_COLUMNS, arrange, figure_size, label_rows, legend_outside
from transfer_atlas.figures.style import METHOD_MARKERS, far_controls, method_name, paper_style, say_empty
from transfer_atlas.statistics import mean_over_students

KEY_NAMES = {
    "image_share": "share of the transfer images (%)",
    "epochs": "epochs",
    "lr": "learning rate",
    "batch_size": "batch size (images)",
}


def plot_scaling(sweeps):
    """Mean delta above, mean gain and loss below, against the value of each key that a study sweeps.

    Args:
        sweeps: the sweeps table.

    Returns:
        Figure with one column per key; bars are standard errors over students.
    """
    keys = list(sweeps["key"].unique())
    far = far_controls(sweeps, ["key", "value"])
    shown = sweeps[~sweeps["method"].isin(far)]
    with paper_style():
        figure, above, below = _panels(len(keys))
        if sweeps["delta"].notna().sum() == 0:
            say_empty(above[0], "no transfer of these sweeps has a result")
            say_empty(below[0], "")
            return figure
        for key, axes in zip(keys, zip(above, below, strict=True), strict=True):
            _plot_key(axes, shown[shown["key"] == key])
            axes[1].set_xlabel(KEY_NAMES.get(key, key.replace("_", " ")))
        if far:
            losses = ", ".join(f"{method_name(method)} loses up to {100 * loss:.0f} %" for method, loss in far.items())
            above[0].set_title(f"not shown: {losses}", loc="left")
        label_rows(above, "mean transfer delta (points)")
        label_rows(below, "mean gain (solid) and loss\n(dashed; % of images)")
        legend_outside(figure, above[0])
    return figure


def _panels(keys):
    """A figure with a panel of deltas and one of gain and loss below it for each key."""
    keys = max(1, keys)
    width, _ = figure_size(TWO_COLUMNS if keys > 1 else TWO_COLUMNS * 0.6, 0)
    blocks, columns = arrange(keys, width)
    size = figure_size(width, 3.8 * blocks)
    figure, axes = plt.subplots(2 * blocks, columns, figsize=size, squeeze=False, sharey="row")
    above, below = axes[::2].flat, axes[1::2].flat
    for ax in [*above[keys:], *below[keys:]]:
        ax.remove()
    for one, other in zip(above[:keys], below[:keys], strict=True):
        one.sharex(other)
        one.tick_params(labelbottom=False)
    return figure, above[:keys], below[:keys]


def _plot_key(axes, rows):
    places, names = _places(rows)
    for number, (method, of_method) in enumerate(rows.groupby("method", sort=False)):
        style = {"color": f"C{number % 9}", "marker": METHOD_MARKERS[number % len(METHOD_MARKERS)], "markersize": 3.5}
        by_value = of_method.groupby("value", sort=False)
        x = [places[value] for value in by_value.groups]
        mean, error = (100 * column for column in _means(by_value, "delta"))
        axes[0].errorbar(x, mean, error, elinewidth=0.7, label=method_name(method), **style)
        for column, line in (("gain", "-"), ("loss", "--")):
            axes[1].plot(x, 100 * _means(by_value, column)[0], line, **style)
    axes[0].axhline(0, color="black", linewidth=0.6)
    if _is_wide(list(places.values())):
        axes[0].set_xscale("log")
    axes[1].set_xticks(list(places.values()), names)
    axes[1].xaxis.set_minor_locator(NullLocator())


def _means(groups, column):
    found = [mean_over_students(rows, column) for _, rows in groups]
    return np.array([mean for mean, _ in found]), np.array([error for _, error in found])


def _places(rows):
    """Where the values of a key stand on its axis, rising, and what is written there."""
    values = rows["value"].unique()
    numbers = pd.to_numeric(pd.Series(values), errors="coerce")
    if numbers.isna().any():
        return {value: place for place, value in enumerate(values)}, list(values)
    numbers = numbers * (100 if (rows["key"] == "image_share").all() else 1)
    places = dict(sorted(zip(values, numbers, strict=True), key=lambda item: item[1]))
    return places, [f"{number:g}" for number in places.values()]


def _is_wide(places):
    return min(places) > 0 and max(places) >= 8 * min(places)
