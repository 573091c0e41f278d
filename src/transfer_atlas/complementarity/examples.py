"""A few pairs class by class."""

import numpy as np
import pandas as pd

from transfer_atlas.errors import InputError, did_you_mean


def choose_examples(pairs, rules):
    """Choose the pairs whose flips are shown class by class.

    Args:
        pairs: the complementarity table, or its columns student, teacher, accuracy_difference.
        rules: dict of name to a quantile of the accuracy difference (0 to 1) or to [student, teacher].

    Returns:
        Dict of name to (student, teacher), for the rules that this zoo can serve: the pair at that quantile (the
        lower of two neighbours), where the first in the order of the table breaks ties.

    Raises:
        InputError: a model that is not among the pairs.
    """
    ranked = pairs.sort_values("accuracy_difference", kind="stable")
    examples = {}
    for name, rule in rules.items():
        if isinstance(rule, list):
            unknown = [model for model in rule if model not in set(pairs["student"])]
            if unknown:
                raise InputError(
                    f"complementarity.examples.{name}: model '{unknown[0]}' has no predictions"
                    + did_you_mean(unknown[0], pairs["student"].unique())
                )
            examples[name] = tuple(rule)
        elif len(ranked):
            chosen = ranked.iloc[int(rule * (len(ranked) - 1))]
            examples[name] = (chosen["student"], chosen["teacher"])
    return examples


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
        wrong, right = (
            ~predicted.correct[predicted.models.index(student)],
            predicted.correct[predicted.models.index(teacher)],
        )
        flips = np.bincount(predicted.labels[wrong & right], minlength=len(images_of_class))[classes]
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
