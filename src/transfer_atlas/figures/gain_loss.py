"""What a transfer gave the student against what it took."""

from transfer_atlas.figures.layout import label_rows, legend_outside, method_panels
from transfer_atlas.figures.style import (
    FAMILY_COLOURS,
    FAMILY_MARKERS,
    FAMILY_NAMES,
    paper_style,
    say_empty,
    taught_methods,
)


def plot_gain_loss(transfers, models):
    """Knowledge gain against knowledge loss of each transfer, by the student's family, one panel per method.

    Args:
        transfers: the transfers table.
        models: the models table.

    Returns:
        Figure; above the diagonal a student loses more than it gains.
    """
    families = models[["model", "family"]].rename(columns={"model": "student"})
    rows = transfers.dropna(subset=["teacher", "delta"]).merge(families, on="student")
    methods = [method for method in taught_methods(transfers) if (rows["method"] == method).any()]
    with paper_style():
        figure, axes = method_panels(methods, 2.4, sharex=True, sharey=True)
        if not methods:
            say_empty(axes[0], "no transfer of this study has a teacher and a result")
            return figure
        most = 105 * max(rows["gain"].max(), rows["loss"].max(), 1e-3)
        for ax, method in zip(axes, methods, strict=True):
            ax.axline((0, 0), slope=1, color="black", linewidth=0.6)
            _plot_families(ax, rows[rows["method"] == method])
            ax.set_xlim(0, most)
            ax.set_ylim(0, most)
            ax.set_aspect("equal")
            ax.set_title(f"{ax.get_title(loc='left')}\n{(rows['method'] == method).sum()} transfers", loc="left")
        label_rows(axes, "loss (% of images)")
        legend_outside(figure, axes[0], title="student")
        figure.supxlabel("gain (% of images)", fontsize=8)
    return figure


def _plot_families(ax, rows):
    for family, colour in FAMILY_COLOURS.items():
        here = rows[rows["family"] == family]
        style = {"color": colour, "marker": FAMILY_MARKERS[family], "label": FAMILY_NAMES[family]}
        ax.scatter(100 * here["gain"], 100 * here["loss"], s=14, alpha=0.6, linewidths=0, **style)
    unknown = rows[~rows["family"].isin(FAMILY_COLOURS)]
    if len(unknown):
        ax.scatter(
            100 * unknown["gain"], 100 * unknown["loss"], s=14, color="grey", alpha=0.6, linewidths=0, label="unknown"
        )
