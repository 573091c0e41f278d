"""Delta of every student with every teacher."""

import numpy as np
from matplotlib.colors import SymLogNorm

from transfer_atlas.figures.layout import WIDE_PANEL, new_panels
from transfer_atlas.figures.saving import LONGEST_LABEL
from transfer_atlas.figures.style import method_name, paper_style, say_empty, taught_methods


def plot_delta_matrix(deltas, models):
    """Matrix of deltas, student x teacher, one panel per method; dots mark the significant ones.

    Args:
        deltas: the deltas table.
        models: the models table; both axes are sorted by accuracy.

    Returns:
        Figure; means over seeds. Cells with a dot differ from 0 at a false discovery rate of 5 % over all transfers.
    """
    rows = deltas.dropna(subset=["teacher"])
    methods = taught_methods(deltas)
    by_accuracy = models.sort_values("accuracy", ascending=False, kind="stable")["model"]
    students, teachers = ([name for name in by_accuracy if name in set(rows[role])] for role in ("student", "teacher"))
    with paper_style():
        height = 1.1 + 0.16 * len(students) + 0.05 * min(LONGEST_LABEL, max(map(len, teachers), default=0))
        figure, axes = new_panels(len(methods), height, narrowest=WIDE_PANEL, sharex=True, sharey=True)
        if not methods:
            say_empty(axes[0], "no transfer of this study has a teacher and a result")
            return figure
        most = max(1.0, 100 * rows["delta"].abs().max())
        norm = SymLogNorm(linthresh=0.5, vmin=-most, vmax=most)
        for ax, method in zip(axes, methods, strict=True):
            image = _plot_method(ax, rows[rows["method"] == method], students, teachers, norm)
            ax.set_title(method_name(method), loc="left")
        ticks = [tick for tick in (-30, -10, -3, -1, 0, 1, 3, 10, 30) if abs(tick) <= most]
        bar = figure.colorbar(image, ax=list(axes), label="transfer delta (points)", aspect=30, pad=0.02, ticks=ticks)
        bar.ax.set_yticklabels([f"{tick:g}" for tick in ticks])
        figure.supxlabel(
            "teacher, the most accurate first (dot: false discovery rate below 5 %; blank: no such transfer)",
            fontsize=8,
        )
        figure.supylabel("student, the most accurate first", fontsize=8)
    return figure


def _plot_method(ax, rows, students, teachers, norm):
    cells = rows.set_index(["student", "teacher"])
    delta = 100 * cells["delta"].unstack().reindex(index=students, columns=teachers)
    significant = (cells["q"] < 0.05).unstack().reindex(index=students, columns=teachers)
    image = ax.imshow(delta.to_numpy(float), cmap="RdBu", norm=norm, aspect="auto")
    size = 6 if max(len(students), len(teachers)) <= 25 else 4
    student, teacher = np.nonzero(significant.eq(True).to_numpy())
    ax.plot(teacher, student, "o", color="black", markersize=size / 3)
    ax.grid(False)
    ax.set_xticks(range(len(teachers)), teachers, rotation=90, fontsize=size)
    ax.set_yticks(range(len(students)), students, fontsize=size)
    return image
