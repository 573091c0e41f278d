"""The part of a study that a figure of one method, or of the students of one family, shows."""


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
