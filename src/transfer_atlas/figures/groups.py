"""The part of a study that a figure of one method, or of the students of one family, shows."""

from pathlib import Path

from transfer_atlas.figures.saving import save_figure


def of_method(table, method):
    """The rows of a method and of the controls; a table that has no methods is as it was."""
    if "method" not in table:
        return table
    controls = table["teacher"].isna() if "teacher" in table else False
    return table[(table["method"] == method) | controls]


def of_family(table, family, models):
    """The rows of students of a family, where the table is of transfers.

    Args:
        table: any table.
        family: convolution, transformer or mlp.
        models: the models table.
    """
    if "method" not in table:
        return table
    return table[table["student"].isin(models.loc[models["family"] == family, "model"])]


def draw_groups(plot, parts, folder):
    """Draw a figure of each part of a study that has enough data for it.

    Args:
        plot: function of tables to a figure.
        parts: dict of the part's name to its tables.
        folder: where to write <name>.png; empty where no part has enough data.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, tables in parts.items():
        if any("method" in table and table.empty for table in tables):
            continue  # no student of the family was trained
        figure = plot(*tables)
        if _shows_data(figure):
            save_figure(figure, [Path(folder) / f"{name}.png"])


def _shows_data(figure):
    """Whether anything is drawn; a figure without data is a sentence that says why."""
    return any(ax.collections or ax.lines or ax.patches or ax.images for ax in figure.axes)
