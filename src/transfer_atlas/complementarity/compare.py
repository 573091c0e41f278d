"""Compare models in a notebook, from arrays."""

import numpy as np
import pandas as pd

from transfer_atlas.complementarity.imported import check_predictions
from transfer_atlas.complementarity.pair_table import compare_models
from transfer_atlas.complementarity.prediction_arrays import Labels, row_ids, table_of
from transfer_atlas.logits.zoo_predictions import ZooPredictions


def compare(predictions, labels):
    """Compare all ordered pairs of models, as the workflow does.

    Args:
        predictions: dict of model to its predictions, or DataFrame with a column per model: classes (numbers or names),
            [images], or float probabilities or logits, [images, classes].
        labels: classes of the same images in the same order, [images].

    Returns:
        DataFrame, the complementarity table: one row per ordered pair (student, teacher), in the order of the models' names;
        docs/results.md describes its columns.

    Raises:
        InputError: fewer than two models, another number of predictions than labels, or predictions that are no classes.
    """
    labels = np.asarray(labels)
    labels = Labels(row_ids(len(labels)), pd.Series(labels))
    tables = ((str(model), table_of(model, values, labels), "predictions") for model, values in predictions.items())
    checked = check_predictions(tables, "fail")
    models, first = list(checked.predictions), next(iter(checked.predictions.values()))
    columns = {
        name: np.stack([table[name].to_numpy(kind) for table in checked.predictions.values()])
        for name, kind in (("prediction", np.int32), ("confidence", np.float32))
    }
    return compare_models(
        ZooPredictions(models, first["label"].to_numpy(), columns["prediction"], columns["confidence"])
    )
