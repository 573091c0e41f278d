"""Compare models in a notebook, from arrays."""

import numpy as np
import pandas as pd
from scipy.special import softmax

from transfer_atlas.complementarity.imported import check_predictions
from transfer_atlas.complementarity.measures import compare_models
from transfer_atlas.errors import InputError
from transfer_atlas.logits.answers import Answers


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
    labels = pd.Series(np.asarray(labels), name="label")
    tables = ((str(model), _table(str(model), values, labels), "predictions") for model, values in predictions.items())
    checked = check_predictions(tables, "fail")
    models, first = list(checked.predictions), next(iter(checked.predictions.values()))
    columns = {
        name: np.stack([table[name].to_numpy(kind) for table in checked.predictions.values()])
        for name, kind in (("prediction", np.int32), ("confidence", np.float32))
    }
    return compare_models(Answers(models, first["label"].to_numpy(), columns["prediction"], columns["confidence"]))


def _table(model, values, labels):
    values = np.asarray(values)
    if len(values) != len(labels):
        raise InputError(f"model {model}: {len(values):,} predictions for {len(labels):,} labels")
    table = pd.DataFrame({"image": [f"{number:09d}" for number in range(len(labels))], "label": labels})
    if values.ndim == 1:
        return table.assign(prediction=values)
    probabilities = _probabilities(values.astype(np.float64))
    return table.assign(prediction=probabilities.argmax(axis=1), confidence=probabilities.max(axis=1))


def _probabilities(scores):
    """Rows that are probabilities as they are; the softmax of any others."""
    if (scores >= 0).all() and np.allclose(scores.sum(axis=1), 1, atol=1e-3):
        return scores.clip(max=1)
    return softmax(scores, axis=1)
