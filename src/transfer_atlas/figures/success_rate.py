"""How often each method improves the student, beside the controls."""

import seaborn as sns

from transfer_atlas.figures.layout import ONE_COLUMN, TWO_COLUMNS, new_panels
from transfer_atlas.figures.style import (
    control_methods,
    count_transfers,
    method_name,
    paper_style,
    say_empty,
    taught_methods,
)

FEWEST_IN_A_BOX = 8  # students


def plot_success_rate(transfers):
    """Box plot over students of the share of transfers with delta > 0 (the paper's Fig. 4a), controls beside.

    Args:
        transfers: the transfers table.

    Returns:
        Figure with one dot per student for each method, and a box over eight students or more; below each method the number
        of transfers that each student has.
    """
    taught, controls = taught_methods(transfers), control_methods(transfers)
    methods = taught + controls
    transfers = transfers[transfers["method"].isin(methods)]
    success = transfers.assign(success=100.0 * (transfers["delta"] > 0))
    rates = success.groupby(["method", "student"], as_index=False)["success"].mean()
    with paper_style():
        # names need the room of two columns where there are many
        figure, (ax,) = new_panels(1, 2.7, ONE_COLUMN if len(methods) < 6 else TWO_COLUMNS)
        if not methods:
            say_empty(ax, "no transfers")
            return figure
        marks = {"x": "method", "y": "success", "order": methods, "ax": ax, "color": "C0"}
        # a control has one transfer per student and seed, and a few students are seen better as they are
        boxed = rates[rates["method"].isin(taught)]
        if rates["student"].nunique() >= FEWEST_IN_A_BOX:
            sns.boxplot(boxed, **marks, width=0.5, fliersize=0, linewidth=0.8, boxprops={"alpha": 0.35})
        sns.swarmplot(rates, **marks, size=max(1.2, min(4, 40 / rates["student"].nunique())))
        if taught and controls:
            ax.axvline(len(taught) - 0.5, color="grey", linestyle="--", linewidth=0.8)
        labels = [_label(method, transfers) for method in methods]
        if figure.get_figwidth() < 0.55 * len(methods):  # inches that a name needs
            ax.set_xticks(range(len(methods)), [label.replace("\n", " ") for label in labels], rotation=90)
        else:
            ax.set_xticks(range(len(methods)), labels)
        ax.set_xlabel("method, and transfers per student")
        ax.set_ylabel("success rate per student\n(% of transfers with a gain)")
        ax.set_ylim(-6, 106)
        ax.set_title(f"{transfers['student'].nunique()} students, {count_transfers(transfers)}", loc="left")
    return figure


def _label(method, transfers):
    """Name of a method in short lines, and how many transfers a student has: rates of one transfer are 0 or 100 %."""
    name = method_name(method).replace(" (", "\n(").replace(", ", ",\n").replace(" + ", "\n+ ")
    counts = transfers.loc[transfers["method"] == method, "student"].value_counts()
    each = f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"
    return f"{name}\n{each}"
