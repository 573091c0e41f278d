"""A few pairs class by class."""

import numpy as np
import pandas as pd

from transfer_atlas.errors import InputError, did_you_mean


def choose_examples(models, right, rules):
    """Choose the pairs whose flips are shown class by class.

    Args:
        models: names.
        right: int, images that each model gets right.
        rules: dict of name to a quantile of the accuracy difference (0 to 1) or to [student, teacher].

    Returns:
        Dict of name to (student, teacher), for the rules that this zoo can serve: the pair at that quantile (the
        lower of two neighbours), where the first in the order of the table breaks ties.

    Raises:
        InputError: a model that is not among the pairs.
    """
    check_examples(models, rules)
    examples, pairs = {}, len(models) * (len(models) - 1)
    for name, rule in rules.items():
        if isinstance(rule, list):
            examples[name] = tuple(rule)
        elif pairs:
            student, teacher = _pair_of_rank(right, int(rule * (pairs - 1)))
            examples[name] = (models[student], models[teacher])
    return examples


def check_examples(models, rules):
    """Check that pairs which rules name are among the models, before anything is counted; errors as of `choose_examples`."""
    for name, rule in rules.items():
        unknown = [model for model in rule if model not in models] if isinstance(rule, list) else []
        if unknown:
            raise InputError(
                f"complementarity.examples.{name}: model '{unknown[0]}' has no predictions"
                + did_you_mean(unknown[0], models)
            )


def _pair_of_rank(right, rank):
    """Positions of the pair that comes after `rank` others by images that the teacher gets right more; no pair is held."""
    largest = int(right.max() - right.min())
    counts = sum(
        np.bincount(_gains(right, student) + largest, minlength=2 * largest + 1) for student in range(len(right))
    )
    gain = int(np.searchsorted(np.cumsum(counts), rank, side="right"))
    before = rank - int(counts[:gain].sum())
    for student in range(len(right)):
        equal = np.flatnonzero(_gains(right, student) == gain - largest)
        if before < len(equal):
            return student, int(equal[before]) + int(equal[before] >= student)
        before -= len(equal)
    raise IndexError(rank)


def _gains(right, student):
    """Images that each other model gets right more than a student."""
    return np.delete(right, student) - right[student]


def count_flips_by_class(predicted, examples):
    """Positive flips of a few pairs, class by class.

    Args:
        predicted: ZooPredictions.
        examples: dict of name to (student, teacher), of `choose_examples`.

    Returns:
        DataFrame of the flips_by_class table: every class that has images, in the order of class ids.
    """
    images_of_class = predicted.images_of_class
    classes = np.flatnonzero(images_of_class)
    tables = []
    for name, (student, teacher) in examples.items():
        taught, teaching = (
            predicted.prediction[predicted.models.index(model)] == predicted.labels for model in (student, teacher)
        )
        flips = np.bincount(predicted.labels[~taught & teaching], minlength=len(images_of_class))[classes]
        tables.append(
            pd.DataFrame(
                {
                    "example": name,
                    "student": student,
                    "teacher": teacher,
                    "class": classes,
                    "images": images_of_class[classes],
                    "flips": flips,
                    "share_of_flips": flips / max(flips.sum(), 1),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)
