"""What each way to choose a teacher costs, and how far its teacher is from the best."""

from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from transfer_atlas.figures.layout import label_rows, legend_outside, method_panels
from transfer_atlas.figures.style import half_interval, method_marker, paper_style, say_empty
from transfer_atlas.recommend.check import CHANCE, OURS
from transfer_atlas.recommend.choices import ALL, HALVING, KNOWN, PROBE

TRIED = (PROBE, HALVING, ALL)
COSTS = (1, 2, 5, 10, 20, 50, 100, 200)
STEP = 1.09  # between rules that cost the same


def plot_regret_by_cost(choices):
    """Mean regret over students against cost, a panel per method.

    Args:
        choices: the choices table.

    Returns:
        Figure; rules of thumb stand side by side around cost 1.
    """
    methods = list(choices["method"].unique())
    with paper_style():
        figure, axes = method_panels(methods, 3.2, sharey=True)
        if not methods:
            say_empty(axes[0], "no method of this study has three students with two teachers each")
            return figure
        for ax, method in zip(axes, methods, strict=True):
            _plot_method(ax, choices[choices["method"] == method])
        label_rows(axes, "mean regret (points)")
        figure.supxlabel("cost (transfers of full length)", fontsize="medium")
        legend_outside(figure, axes[0])
    return figure


def _plot_method(ax, choices):
    of_rule = dict(list(choices.groupby("rule", sort=False)))
    for rule, line in ((CHANCE, "--"), (KNOWN, ":")):
        if rule in of_rule:
            label = "drawn at random" if rule == CHANCE else f"{rule} (simulated)"
            ax.axhline(100 * of_rule[rule]["regret"].mean(), color="0.4", linewidth=0.8, linestyle=line, label=label)
    rules = [rule for rule in of_rule if rule not in (*TRIED, CHANCE, KNOWN)]
    for number, rule in enumerate(rules):
        place = STEP ** (number - (len(rules) - 1) / 2)
        _plot_points(ax, [(place, of_rule[rule])], rule, "C0" if rule == OURS else "0.55", method_marker(number))
    for number, rule in enumerate((rule for rule in TRIED if rule in of_rule), start=1):
        points = [(same["cost"].mean(), same) for _, same in of_rule[rule].groupby("image_share")]
        _plot_points(ax, points, rule, f"C{number}", method_marker(number))
    ax.axhline(0, color="black", linewidth=0.6)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator([cost for cost in COSTS if cost <= 1.3 * choices["cost"].max()]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_locator(NullLocator())


def _plot_points(ax, points, label, colour, marker):
    places = [place for place, _ in points]
    regrets = [100 * same["regret"] for _, same in points]
    ax.errorbar(
        places,
        [regret.mean() for regret in regrets],
        [half_interval(regret) for regret in regrets],
        color=colour,
        marker=marker,
        markersize=4,
        linewidth=1,
        elinewidth=0.7,
        label=label,
    )
