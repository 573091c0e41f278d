"""Learning curves: what each epoch of a transfer measured."""

import numpy as np


def describe_histories(transfers):
    """The histories table: one row per transfer and epoch; without repetitions from perturbed weights.

    Args:
        transfers: the transfers table.
    """
    keys = ["method", "student", "teacher", "seed"]
    columns = [column for column in transfers if column.startswith("epoch_")]
    repeated = transfers["weight_perturbation"] > 0
    rows = transfers.loc[~repeated, keys + columns].dropna(subset=["epoch_objective"])
    epochs = rows["epoch_objective"].map(len)
    for column in columns:
        known = zip(rows[column], epochs, strict=True)
        rows[column] = [[np.nan] * length if values is None else values for values, length in known]
    rows = rows.explode(columns, ignore_index=True).rename(columns=lambda name: name.removeprefix("epoch_"))
    return rows.assign(epoch=rows.groupby(keys, dropna=False).cumcount() + 1)
