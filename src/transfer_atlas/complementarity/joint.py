"""What several models know together: an oracle, a vote and a choice by confidence over a growing set of models."""

import numpy as np
import pandas as pd


def grow_set(predicted, first, size):
    """Build a set of models greedily: each step adds the model that predicts most of the still unknown images correctly.

    Args:
        predicted: ZooPredictions.
        first: name of the model to begin with.
        size: number of models at most.

    Returns:
        DataFrame with one row per step: model, its accuracy, and the accuracies of the models so far together:
        oracle_accuracy (at least one is right), vote_accuracy (the class that most predict; of equal ones that of the
        model that came first) and confidence_accuracy (the class of the most confident; NaN without confidences). Of models
        that add equally much the first in the order of `predicted` is added.
    """
    correct, chosen = predicted.correct, [predicted.models.index(first)]
    known, rows = correct[chosen[0]].copy(), []
    while True:
        rows.append(
            {
                "model": predicted.models[chosen[-1]],
                "accuracy": correct[chosen[-1]].mean(),
                "oracle_accuracy": known.mean(),
                "vote_accuracy": (_vote(predicted.prediction[chosen]) == predicted.labels).mean(),
                "confidence_accuracy": _confident(correct[chosen], predicted.confidence[chosen]),
            }
        )
        if len(chosen) == min(size, len(predicted.models)):
            return pd.DataFrame(rows)
        added = (correct & ~known).sum(axis=1)
        added[chosen] = -1
        chosen.append(int(added.argmax()))
        known |= correct[chosen[-1]]


def _vote(predictions):
    """Class that most models predict, [images] of [models, images]."""
    votes = (predictions[:, None] == predictions).sum(axis=1)  # for the class of each model
    return np.take_along_axis(predictions, votes.argmax(axis=0)[None], axis=0)[0]


def _confident(correct, confidence):
    """Accuracy of the most confident model; of equally confident ones the first."""
    if np.isnan(confidence).any():
        return np.nan
    return np.take_along_axis(correct, confidence.argmax(axis=0)[None], axis=0).mean()
