"""Share of the complementary knowledge that is transferred, against the size of the student."""

from matplotlib.ticker import FuncFormatter, NullLocator

from transfer_atlas.figures.layout import label_rows, legend_outside, method_panels
from transfer_atlas.figures.style import (
    FAMILY_COLOURS,
    FAMILY_MARKERS,
    FAMILY_NAMES,
    paper_style,
    say_empty,
    taught_methods,
)


def plot_transfer_rate(transfers, models):
    """Sample-level transfer rate against student size by family, one panel per method (the paper's Fig. 5b).

    Args:
        transfers: the transfers table.
        models: the models table.

    Returns:
        Figure with a faint mark per teacher and the mean over teachers with its standard error per student.
    """
    methods = taught_methods(transfers)
    sizes = models[["model", "parameters", "family"]].rename(columns={"model": "student"})
    rows = transfers.dropna(subset=["transfer_rate"]).merge(sizes, on="student")
    with paper_style():
        figure, axes = method_panels(methods, 2.6, sharey=True)
        if rows.empty:
            say_empty(axes[0], "no transfer of this study has a teacher that knows more than its student")
            return figure
        for ax, method in zip(axes, methods, strict=True):
            _plot_families(ax, rows[rows["method"] == method])
        label_rows(axes, "transfer rate\n(% of positive flips)")
        axes[0].set_ylim(bottom=0)
        legend_outside(figure, axes[-1], title="student")
        figure.supxlabel(
            "student size (million parameters); faint: one teacher, mark and bar: mean and standard error over teachers",
            fontsize=8,
        )
    return figure


def _plot_families(ax, rows):
    for family, colour in FAMILY_COLOURS.items():
        here = rows[rows["family"] == family]
        if here.empty:
            continue
        marker = FAMILY_MARKERS[family]
        ax.scatter(
            here["parameters"] / 1e6,
            100 * here["transfer_rate"],
            s=9,
            color=colour,
            alpha=0.3,
            linewidths=0,
            marker=marker,
        )
        students = here.groupby("student").agg(
            parameters=("parameters", "first"), mean=("transfer_rate", "mean"), error=("transfer_rate", "sem")
        )
        ax.errorbar(
            students["parameters"] / 1e6,
            100 * students["mean"],
            yerr=100 * students["error"],
            fmt=marker,
            markersize=5,
            color=colour,
            capsize=2,
            elinewidth=0.8,
            label=FAMILY_NAMES[family],
        )
    ax.set_xscale("log")
    sizes = sorted((rows["parameters"] / 1e6).unique())
    ax.set_xticks(_spread(sizes))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2g}"))
    ax.xaxis.set_minor_locator(NullLocator())


def _spread(sizes):
    """Ticks at the sizes themselves, without those too near to the one before on a log axis; five at most."""
    ticks = sizes[:1]
    for size in sizes[1:]:
        if size > max(1.25, (sizes[-1] / sizes[0]) ** 0.25) * ticks[-1]:
            ticks.append(size)
    return ticks
