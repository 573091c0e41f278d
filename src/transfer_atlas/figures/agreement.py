"""A study's mean deltas beside published ones."""

from transfer_atlas.figures.layout import ONE_COLUMN, new_panels
from transfer_atlas.figures.style import METHOD_MARKERS, method_name, paper_style, say_empty, scale_delta


def plot_agreement(agreement):
    """Mean delta of each student and method against the published one.

    Args:
        agreement: the agreement table.

    Returns:
        Figure; bars are standard errors over teachers, on the diagonal both are equal.
    """
    rows = agreement.dropna(subset=["delta", "published_delta"])
    with paper_style():
        figure, (ax,) = new_panels(1, 3.1, ONE_COLUMN)
        if rows.empty:
            say_empty(ax, "no student and method of this study has published results")
            return figure
        ax.axline((0, 0), slope=1, color="black", linewidth=0.6)
        for number, (method, here) in enumerate(rows.groupby("method", sort=False)):
            ax.errorbar(
                100 * here["published_delta"],
                100 * here["delta"],
                100 * here["delta_standard_error"].fillna(0),
                100 * here["published_standard_error"].fillna(0),
                fmt=METHOD_MARKERS[number % len(METHOD_MARKERS)],
                color=f"C{number % 9}",
                markersize=3.5,
                elinewidth=0.6,
                label=method_name(method),
            )
        means = 100 * rows[["delta", "published_delta"]].to_numpy()
        for axis, scale in ((ax.xaxis, ax.set_xscale), (ax.yaxis, ax.set_yscale)):
            scale_delta(axis, scale, (means.min(), means.max()))
        ax.set_xlabel("published mean delta (points)")
        ax.set_ylabel("mean delta here (points)")
        ax.set_title(f"{rows['student'].nunique()} students, {len(rows)} means; logarithmic beyond 1", loc="left")
        ax.legend(loc="best", fontsize=6)
    return figure
