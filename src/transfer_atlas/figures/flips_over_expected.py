"""How far the complementary knowledge of each pair differs from what the difficulty of the images explains."""

from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from transfer_atlas.figures.layout import ONE_COLUMN, new_panels
from transfer_atlas.figures.style import MOST_DOTS, paper_style, say_empty, scatter_or_density

SIGNIFICANT = 0.05  # false discovery rate


def plot_flips_over_expected(complementarity):
    """Positive flips over those of two independent models, against the accuracy difference (docs/method.md, Chance).

    Args:
        complementarity: the complementarity table.

    Returns:
        Figure with one dot per pair, grey where it does not differ from 1, or a density where there are many; pairs that are
        one network are circled.
    """
    known = complementarity.dropna(subset=["flips_over_expected"])
    known = known[known["flips_over_expected"] > 0]
    with paper_style():
        figure, (ax,) = new_panels(1, 2.7, ONE_COLUMN)
        if known.empty:
            say_empty(ax, "no expected flips: they need six models that are neither always right nor always wrong")
            return figure
        ax.axhline(1, color="black", linewidth=0.8)
        difference, ratio = 100 * known["accuracy_difference"], known["flips_over_expected"]
        sure = known["flips_over_expected_q"] < SIGNIFICANT
        if len(known) > MOST_DOTS:
            scatter_or_density(ax, difference, ratio)
        else:
            _draw_dots(ax, known, sure)
        _scale_ratio(ax, ratio)
        ax.set_xlabel("accuracy difference, teacher - student (points)")
        ax.set_ylabel("complementary knowledge /\nexpected from image difficulty")
        shares = f"{_percent(sure & (ratio > 1))} above 1, {_percent(sure & (ratio < 1))} below"
        ax.set_title(f"{len(known):,} ordered pairs, significantly\n{shares}", loc="left")
    return figure


def _percent(chosen):
    return f"{100 * chosen.mean():.0f} %"


def _draw_dots(ax, known, sure):
    above = known["flips_over_expected"] > 1
    size = 12 if len(known) <= 500 else 5
    kinds = (
        (~sure, "0.7", "o", "not significant"),
        (sure & above, "C3", "^", "above"),
        (sure & ~above, "C0", "v", "below"),
    )
    for chosen, colour, marker, label in kinds:
        rows = known[chosen]
        x, y = 100 * rows["accuracy_difference"], rows["flips_over_expected"]
        ax.scatter(x, y, s=size, color=colour, marker=marker, alpha=0.7, linewidths=0, label=label)
    if (same := known[known["same_network"]]).size:
        x, y = 100 * same["accuracy_difference"], same["flips_over_expected"]
        ax.scatter(x, y, s=30, facecolors="none", edgecolors="black", linewidths=0.7, label="one network twice")
    ax.legend(loc="best", fontsize=6)


def _scale_ratio(ax, ratio):
    """A logarithmic axis with ticks that read as ratios, and 1 always inside."""
    ax.set_yscale("log")
    ax.set_ylim(min(0.9, ratio.min() / 1.08), max(1.1, ratio.max() * 1.08))
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_minor_formatter(NullFormatter())
