"""What each model knows that another does not, for all ordered pairs, from answers to the same images."""

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.special import xlogy
from statsmodels.stats.proportion import proportion_confint

from transfer_atlas import kernels
from transfer_atlas.errors import InputError
from transfer_atlas.statistics import Z_95, paired_standard_error
from transfer_atlas.study import did_you_mean

# the percentages of the flips whose classes are counted (the paper's Fig. 2)
TOP_PERCENTS = (2, 5, 20, 50)


@dataclass(frozen=True)
class Answers:
    """What all models answered to the same images.

    Attributes:
        models: names.
        labels: int [images].
        prediction: int [models, images].
        confidence: float32 [models, images], the largest probability, NaN where a model has not given it.
    """

    models: list[str]
    labels: np.ndarray
    prediction: np.ndarray
    confidence: np.ndarray

    @cached_property
    def correct(self):
        """Bool [models, images]."""
        return self.prediction == self.labels

    @property
    def images_of_class(self):
        """Int [classes]; classes without images count 0."""
        return np.bincount(self.labels)


@dataclass(frozen=True)
class PairCounts:
    """Counts of all ordered pairs; arrays are [students, teachers] unless it says otherwise.

    Attributes:
        models: names.
        images: number of images.
        classes: number of classes that have images.
        right: int [models], images that each model gets right.
        flips: int32, positive flips; the transpose holds the negative flips.
        entropy: float64 in nats, of the positive flips over classes.
        top_classes: int32 [students, teachers, TOP_PERCENTS].
        same: int32, images with equal predictions.
        chosen: float64, images that the more confident of the two gets right, NaN without confidences.
        similarity: float32 [students, teachers, TOP_PERCENTS], relative to the mean over all classes, or None.
    """

    models: list[str]
    images: int
    classes: int
    right: np.ndarray
    flips: np.ndarray
    entropy: np.ndarray
    top_classes: np.ndarray
    same: np.ndarray
    chosen: np.ndarray
    similarity: np.ndarray | None

    def of_students(self, first, last):
        """The same for the rows of students `first` to `last - 1`, as a dict."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value[first:last] if isinstance(value, np.ndarray) and value.ndim > 1 else value
            for name, value in arrays.items()
        }


def count_pairs(answers, embeddings=None):
    """Count everything that the complementarity table needs, for all ordered pairs.

    Positive flips are the images that the student gets wrong and the teacher right (paper sections 1.1 to 1.6).

    Args:
        answers: Answers of at least one model.
        embeddings: float [classes, dims], one row per class, or None; cosines of rows are class similarities.

    Returns:
        PairCounts.
    """
    images_of_class = answers.images_of_class
    classes = len(images_of_class)
    right, wrong, first_word = kernels.pack_by_class(answers.correct, answers.labels, classes)
    k = np.arange(images_of_class.max() + 1, dtype=float)
    flips, entropy, top_classes = kernels.count_flips(
        right, wrong, first_word, xlogy(k, k), np.array(TOP_PERCENTS, dtype=np.int64)
    )
    similarity = None
    if embeddings is not None:
        unit = unit_rows(embeddings[:classes])
        cosines = kernels.similarity_of_top_classes(
            right, wrong, first_word, top_classes, kernels.block_embeddings(unit)
        )
        similarity = cosines / mean_cosine(unit[images_of_class > 0]) - 1
    return PairCounts(
        models=list(answers.models),
        images=len(answers.labels),
        classes=int((images_of_class > 0).sum()),
        right=answers.correct.sum(axis=1),
        flips=flips,
        entropy=entropy,
        top_classes=top_classes,
        same=kernels.count_same(kernels.pack_planes(answers.prediction), len(answers.labels)),
        chosen=_count_confident_choice(answers),
        similarity=similarity,
    )


def _count_confident_choice(answers):
    """NaN where one of the two has given no confidence."""
    known = ~np.isnan(answers.confidence).any(axis=1)
    chosen = np.full((len(known), len(known)), np.nan)
    if known.any():
        signed = np.where(answers.correct[known], answers.confidence[known], -answers.confidence[known])
        chosen[np.ix_(known, known)] = kernels.count_confident_choice(signed)
    return chosen


def unit_rows(embeddings):
    """Scale the rows of float [classes, dims] to length 1, as float32; rows of zeros stay."""
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return (embeddings / np.where(length > 0, length, 1)).astype(np.float32)


def mean_cosine(unit):
    """Mean cosine over unordered pairs of different rows; float32 [classes, dims] of unit length; NaN for one row."""
    classes = len(unit)
    if classes < 2:
        return np.nan
    return (np.square(unit.sum(axis=0, dtype=np.float64)).sum() - classes) / (classes * (classes - 1))


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
        **_share("positive_flips", positive, n),
        **_share("negative_flips", negative, n),
        **_share("both_right", both_right, n),
        **_share("both_wrong", both_wrong, n),
        **_share("same_prediction", rows["same"], n),
        **_agreement(accuracy[student], accuracy[teacher], (both_right + both_wrong) / n),
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


def _share(name, count, images):
    """A share with its 95 % Wilson interval."""
    low, high = proportion_confint(count, images, alpha=0.05, method="wilson")
    return {name: count / images, f"{name}_low": low, f"{name}_high": high}


def _agreement(student, teacher, observed):
    """Error consistency: Cohen's kappa of being right, against what two independent models would reach."""
    expected = student * teacher + (1 - student) * (1 - teacher)
    with np.errstate(invalid="ignore", divide="ignore"):
        kappa = np.where(expected < 1, (observed - expected) / (1 - expected), np.nan)
    return {
        "error_consistency": kappa,
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
                    f"complementarity.examples.{name}: model '{unknown[0]}' has no answers"
                    + did_you_mean(unknown[0], pairs["student"].unique())
                )
            examples[name] = tuple(rule)
        elif len(ranked):
            chosen = ranked.iloc[int(rule * (len(ranked) - 1))]
            examples[name] = (chosen["student"], chosen["teacher"])
    return examples


def count_flips_by_class(answers, examples):
    """Positive flips of a few pairs, class by class.

    Args:
        answers: Answers.
        examples: dict of name to (student, teacher), of `choose_examples`.

    Returns:
        DataFrame of the flips_by_class table: every class that has images, in the order of class ids.
    """
    images_of_class = answers.images_of_class
    classes = np.flatnonzero(images_of_class)
    tables = []
    for name, (student, teacher) in examples.items():
        wrong, right = ~answers.correct[answers.models.index(student)], answers.correct[answers.models.index(teacher)]
        flips = np.bincount(answers.labels[wrong & right], minlength=len(images_of_class))[classes]
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
