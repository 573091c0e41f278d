"""The complementarity table: shares, intervals, agreement and spread of all ordered pairs."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from transfer_atlas.complementarity.counts import PairCounts, count_pairs
from transfer_atlas.complementarity.examples import choose_examples, count_flips_by_class
from transfer_atlas.statistics import TOP_PERCENTS, Z_95, mcnemar_p, paired_standard_error


@dataclass(frozen=True)
class Pairs:
    """Ordered pairs of models, and the counts that their measures are made of; arrays are [pairs].

    Attributes:
        student, teacher: positions of the models.
        counts: PairCounts of all models.
        rows: dict of further counts per pair, as in `PairCounts.of_students`.
        positive: images that the student gets wrong and the teacher right.
        negative: images that the student gets right and the teacher wrong.
    """

    student: np.ndarray
    teacher: np.ndarray
    counts: PairCounts
    rows: dict
    positive: np.ndarray
    negative: np.ndarray

    @property
    def images(self):
        """Number of evaluation images."""
        return self.counts.images

    @property
    def both_right(self):
        """Images that both get right."""
        return self.counts.right[self.teacher] - self.positive

    @property
    def both_wrong(self):
        """Images that both get wrong."""
        return self.images - self.counts.right[self.student] - self.positive


def pairs_of(counts, first, last):
    """The Pairs of some students, a range of positions, with all other models as teachers; in the order of the table."""
    student, teacher = np.divmod(np.arange(first * len(counts.models), last * len(counts.models)), len(counts.models))
    keep = student != teacher
    student, teacher = student[keep], teacher[keep]
    rows = {
        name: value.reshape(-1, *value.shape[2:])[keep] if isinstance(value, np.ndarray) and value.ndim > 1 else value
        for name, value in counts.of_students(first, last).items()
    }
    negative = counts.flips[teacher, student].astype(np.int64)
    return Pairs(student, teacher, counts, rows, rows["flips"].astype(np.int64), negative)


def measure_accuracies(pairs):
    """Accuracies of both models, and their difference with its paired interval and exact McNemar p."""
    n, accuracy = pairs.images, pairs.counts.right / pairs.images
    positive, negative = pairs.positive / n, pairs.negative / n
    difference, error = (pairs.positive - pairs.negative) / n, paired_standard_error(positive, negative, n)
    return {
        "student_accuracy": accuracy[pairs.student],
        "teacher_accuracy": accuracy[pairs.teacher],
        "accuracy_difference": difference,
        "accuracy_difference_low": difference - Z_95 * error,
        "accuracy_difference_high": difference + Z_95 * error,
        "accuracy_difference_p": mcnemar_p(positive, negative, n),
    }


def measure_flips(pairs):
    """Shares of the four cases of being right and wrong, and of equal predictions."""
    n = pairs.images
    return {
        **_share("positive_flips", pairs.positive, n),
        **_share("negative_flips", pairs.negative, n),
        **_share("both_right", pairs.both_right, n),
        **_share("both_wrong", pairs.both_wrong, n),
        **_share("same_prediction", pairs.rows["same"], n),
    }


def measure_consistency(pairs):
    """Error consistency: Cohen's kappa of being right, against what two independent models would reach.

    Its interval is normal, from the large-sample variance of kappa (Fleiss, Cohen and Everitt 1969, formula 13).
    """
    n = pairs.images
    both_right, both_wrong = pairs.both_right / n, pairs.both_wrong / n
    positive, negative = pairs.positive / n, pairs.negative / n
    student, teacher = both_right + negative, both_right + positive
    expected = student * teacher + (1 - student) * (1 - teacher)
    with np.errstate(invalid="ignore", divide="ignore"):
        kappa = np.where(expected < 1, (both_right + both_wrong - expected) / (1 - expected), np.nan)
        rest = 1 - kappa
        agree = both_right * (1 - (student + teacher) * rest) ** 2
        agree += both_wrong * (1 - (2 - student - teacher) * rest) ** 2
        differ = negative * (1 + teacher - student) ** 2 + positive * (1 + student - teacher) ** 2
        variance = (agree + rest**2 * differ - (kappa - expected * rest) ** 2) / ((1 - expected) ** 2 * n)
    half = Z_95 * np.sqrt(np.maximum(variance, 0))
    return {
        "error_consistency": kappa,
        "error_consistency_low": kappa - half,
        "error_consistency_high": kappa + half,
        "expected_agreement": expected,
        "independent_flips": (1 - student) * teacher,
    }


def measure_choices(pairs):
    """Accuracy of choosing one of the two predictions of each image: perfectly, and by confidence."""
    return {
        **_share("oracle_accuracy", pairs.images - pairs.both_wrong, pairs.images),
        **_share("confidence_accuracy", pairs.rows["chosen"], pairs.images),
    }


def measure_spread(pairs):
    """How the positive flips spread over the classes (the paper's Fig. 2 and 5a)."""
    entropy = pairs.rows["entropy"]
    columns = {
        "flip_entropy": entropy,
        "effective_classes": np.where(pairs.positive > 0, np.exp(entropy), 0.0),
    }
    similarity = pairs.rows["similarity"]
    for place, percent in enumerate(TOP_PERCENTS):
        number = pairs.rows["top_classes"][:, place]
        columns[f"top{percent}_classes"] = number
        columns[f"top{percent}_class_share"] = number / pairs.counts.classes
        columns[f"top{percent}_similarity"] = np.nan if similarity is None else similarity[:, place]
    return columns


# a new measure is one function here, and its columns in schemas/tables.py
MEASURES = (measure_accuracies, measure_flips, measure_consistency, measure_choices, measure_spread)


def tabulate_pairs(counts, first=0, last=None):
    """Turn counts into rows of the complementarity table.

    Args:
        counts: PairCounts.
        first: first student of the rows.
        last: student after the last one; None for all.

    Returns:
        DataFrame of the complementarity table: each student with every other model, in the order of `counts`.
    """
    pairs, names = pairs_of(counts, first, len(counts.models) if last is None else last), np.array(counts.models)
    table = {"student": names[pairs.student], "teacher": names[pairs.teacher]}
    for measure in MEASURES:
        table |= measure(pairs)
    return pd.DataFrame(table | {"images": pairs.images})


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
