"""What became of the images that a stream of teachers touched."""

import numpy as np

from transfer_atlas.figures.layout import legend_outside, new_panels
from transfer_atlas.figures.style import paper_style, say_empty

SHADES = ("0173b2", "3d8fc2", "6fabd2", "9cc6e1", "c5dff0")  # of the first colour of paper.mplstyle, stage by stage


def plot_ledger(ledger):
    """Images gained, kept, and lost of each student in a stream.

    Args:
        ledger: the ledger table; of its ways the first is drawn.

    Returns:
        Figure with a bar per student: to the right of zero the images that were wrong before and are right after the stream, by
        the stage that first made them right, and behind them those that were gained and lost again; to the left those that
        were right before and are wrong after. The mark is gained less lost. Means over seeds.
    """
    rows = ledger[ledger["way"] == ledger["way"].iloc[0]] if len(ledger) else ledger
    students = list(rows["student"].unique())
    with paper_style():
        figure, (ax,) = new_panels(1, 1.2 + 0.2 * max(1, len(students)))
        if not students:
            say_empty(ax, "no stream of this study has a result")
            return figure
        shares = {student: _shares(of_student) for student, of_student in rows.groupby("student", sort=False)}
        stages = max(len(gained) for gained, _, _ in shares.values())
        for place, student in enumerate(students):
            _plot_student(ax, place, *shares[student], stages)
        ax.axvline(0, color="black", linewidth=0.6)
        ax.set_yticks(range(len(students)), students, fontsize=6)
        ax.set_ylim(len(students) - 0.4, -0.6)
        ax.set_xlabel("evaluation images (%)")
        ax.set_title(f"stream of teachers, next: {rows['way'].iloc[0]}", loc="left")
        legend_outside(figure, ax, "outside lower center")
    return figure


def _shares(rows):
    """In % of the images: those gained and kept by stage, those gained and lost again, and those lost."""
    gained = rows["gained_stage"].notna() & ~rows["right_before"]
    kept = rows[gained & rows["right_after"]]["gained_stage"].astype(int)
    stages = int(rows["gained_stage"].max()) if gained.any() else 0
    by_stage = [(kept == stage).sum() for stage in range(1, stages + 1)]
    counts = (gained & ~rows["right_after"]).sum(), (rows["right_before"] & ~rows["right_after"]).sum()
    return [100 * np.asarray(count) / len(rows) for count in (by_stage, *counts)]


def _plot_student(ax, place, gained, lost_again, lost, stages):
    left, first = 0.0, place == 0
    for stage in range(stages):
        share = gained[stage] if stage < len(gained) else 0.0
        label = f"gained from teacher {stage + 1}, kept" if first else None
        ax.barh(place, share, left=left, height=0.7, color=f"#{SHADES[min(stage, 4)]}", label=label)
        left += share
    ax.barh(
        place,
        lost_again,
        left=left,
        height=0.7,
        facecolor="none",
        edgecolor="0.6",
        hatch="////",
        linewidth=0.4,
        label="gained, lost again" if first else None,
    )
    ax.barh(place, -lost, height=0.7, color="C3", label="lost" if first else None)
    label = "gained less lost" if first else None
    ax.plot(left - lost, place, "|", color="black", markersize=8, markeredgewidth=1.2, linestyle="none", label=label)
