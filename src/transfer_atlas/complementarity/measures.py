"""The complementarity table: shares, intervals, agreement and spread of all ordered pairs."""

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from transfer_atlas.complementarity.counts import count_pairs
from transfer_atlas.complementarity.examples import choose_examples, count_flips_by_class
from transfer_atlas.statistics import TOP_PERCENTS, Z_95, mcnemar_p, paired_standard_error


def tabulate_pairs(counts, first=0, last=None):
    """Turn counts into rows of the complementarity table.

    Args:
        counts: PairCounts.
        first: first student of the rows.
        last: student after the last one; None for all.

    Returns:
        DataFrame of the complementarity table: each student with every other model, in the order of `counts`.
    """
    last = len(counts.models) if last is None else last
    student, teacher = np.divmod(np.arange(first * len(counts.models), last * len(counts.models)), len(counts.models))
    keep = student != teacher
    student, teacher, n = student[keep], teacher[keep], counts.images
    rows = {
        name: value.reshape(-1, *value.shape[2:])[keep] if isinstance(value, np.ndarray) and value.ndim > 1 else value
        for name, value in counts.of_students(first, last).items()
    }
    names, accuracy = np.array(counts.models), counts.right / n
    positive, negative = rows["flips"].astype(np.int64), counts.flips[teacher, student].astype(np.int64)
    both_right = counts.right[teacher] - positive
    both_wrong = n - counts.right[student] - positive
    difference, error = (positive - negative) / n, paired_standard_error(positive / n, negative / n, n)
    table = {
        "student": names[student],
        "teacher": names[teacher],
        "student_accuracy": accuracy[student],
        "teacher_accuracy": accuracy[teacher],
        "accuracy_difference": difference,
        "accuracy_difference_low": difference - Z_95 * error,
        "accuracy_difference_high": difference + Z_95 * error,
        "accuracy_difference_p": mcnemar_p(positive / n, negative / n, n),
        **_share("positive_flips", positive, n),
        **_share("negative_flips", negative, n),
        **_share("both_right", both_right, n),
        **_share("both_wrong", both_wrong, n),
        **_share("same_prediction", rows["same"], n),
        **_agreement(both_right / n, positive / n, negative / n, both_wrong / n, n),
        **_share("oracle_accuracy", n - both_wrong, n),
        **_share("confidence_accuracy", rows["chosen"], n),
        "flip_entropy": rows["entropy"],
        "effective_classes": np.where(positive > 0, np.exp(rows["entropy"]), 0.0),
        **_top_classes(rows, counts.classes),
        "images": n,
    }
    return pd.DataFrame(table)


def tabulate_chunks(counts, rows=200_000):
    """Yield the complementarity table in parts of about `rows` rows, in its order."""
    step = max(1, rows // len(counts.models))
    for first in range(0, len(counts.models), step):
        yield tabulate_pairs(counts, first, min(first + step, len(counts.models)))


def compare_models(answers, embeddings=None):
    """The whole complementarity table; arguments as in `count_pairs`."""
    return tabulate_pairs(count_pairs(answers, embeddings))


def compare_in_chunks(answers, embeddings, examples):
    """Compare all ordered pairs with the memory of a part of their table.

    Args:
        answers: Answers.
        embeddings: as in `count_pairs`.
        examples: rules of the example pairs, as in `choose_examples`.

    Returns:
        (chunks, flips_by_class): iterator over the parts of the complementarity table, and the flips_by_class table.

    Raises:
        InputError: as `choose_examples` does.
    """
    counts = count_pairs(answers, embeddings)
    return tabulate_chunks(counts), count_flips_by_class(
        answers, choose_examples(accuracy_differences(counts), examples)
    )


def accuracy_differences(counts):
    """DataFrame with student, teacher, accuracy_difference of all ordered pairs, in the order of the table."""
    student, teacher = np.nonzero(~np.eye(len(counts.models), dtype=bool))
    names, right = np.array(counts.models), counts.right
    difference = (right[teacher] - right[student]) / counts.images
    return pd.DataFrame({"student": names[student], "teacher": names[teacher], "accuracy_difference": difference})


def _share(name, count, images):
    """A share with its 95 % Wilson interval."""
    low, high = proportion_confint(count, images, alpha=0.05, method="wilson")
    return {name: count / images, f"{name}_low": low, f"{name}_high": high}


def _agreement(both_right, positive, negative, both_wrong, n):
    """Error consistency: Cohen's kappa of being right, against what two independent models would reach.

    Its interval is normal, from the large-sample variance of kappa (Fleiss, Cohen and Everitt 1969, formula 13).
    """
    student, teacher = both_right + negative, both_right + positive
    expected = student * teacher + (1 - student) * (1 - teacher)
    with np.errstate(invalid="ignore", divide="ignore"):
        kappa = np.where(expected < 1, (both_right + both_wrong - expected) / (1 - expected), np.nan)
        rest = 1 - kappa
        alike = both_right * (1 - (student + teacher) * rest) ** 2
        alike += both_wrong * (1 - (2 - student - teacher) * rest) ** 2
        apart = negative * (1 + teacher - student) ** 2 + positive * (1 + student - teacher) ** 2
        variance = (alike + rest**2 * apart - (kappa - expected * rest) ** 2) / ((1 - expected) ** 2 * n)
    half = Z_95 * np.sqrt(np.maximum(variance, 0))
    return {
        "error_consistency": kappa,
        "error_consistency_low": kappa - half,
        "error_consistency_high": kappa + half,
        "expected_agreement": expected,
        "independent_flips": (1 - student) * teacher,
    }


def _top_classes(rows, classes):
    columns = {}
    for place, percent in enumerate(TOP_PERCENTS):
        number = rows["top_classes"][:, place]
        columns[f"top{percent}_classes"] = number
        columns[f"top{percent}_class_share"] = number / classes
        columns[f"top{percent}_similarity"] = np.nan if rows["similarity"] is None else rows["similarity"][:, place]
    return columns
