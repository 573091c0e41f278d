"""The measures of ordered pairs: shares, intervals, agreement and spread; each is a function with its columns."""

from dataclasses import dataclass, fields

import numpy as np

from transfer_atlas.complementarity.counts import PairCounts
from transfer_atlas.statistics import TOP_PERCENTS, Z_95, paired_standard_error


@dataclass(frozen=True)
class Pairs:
    """Ordered pairs of models, and the counts that their measures are made of; arrays are [pairs].

    Attributes:
        student, teacher: positions of the models.
        counts: PairCounts of the students.
        rows: dict of the fields of `counts` that are of pairs.
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


def pairs_of(counts):
    """The Pairs of PairCounts, in the order of the table."""
    student, teacher = np.indices(counts.flips.shape).reshape(2, -1)
    student += counts.first
    keep = student != teacher
    values = {field.name: getattr(counts, field.name) for field in fields(counts)}
    rows = {
        name: value.reshape(-1, *value.shape[2:])[keep] if isinstance(value, np.ndarray) and value.ndim > 1 else value
        for name, value in values.items()
    }
    positive, negative = (rows[name].astype(np.int64) for name in ("flips", "negative_flips"))
    return Pairs(student[keep], teacher[keep], counts, rows, positive, negative)


def measure_accuracies(pairs):
    """Accuracies of both models, and their difference with its paired interval and exact McNemar p and q."""
    n, accuracy = pairs.images, pairs.counts.right / pairs.images
    positive, negative = pairs.positive / n, pairs.negative / n
    difference, error = (pairs.positive - pairs.negative) / n, paired_standard_error(positive, negative, n)
    return {
        "student_accuracy": accuracy[pairs.student],
        "teacher_accuracy": accuracy[pairs.teacher],
        "accuracy_difference": difference,
        "accuracy_difference_low": difference - Z_95 * error,
        "accuracy_difference_high": difference + Z_95 * error,
        "accuracy_difference_p": pairs.rows["difference_p"],
        "accuracy_difference_q": pairs.rows["difference_q"],
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


def measure_network(pairs):
    """Whether the config says that both models are the same network, so that they differ by settings or training alone."""
    network = pairs.counts.network
    return {"same_network": network[pairs.student] == network[pairs.teacher]}


def measure_accepted(pairs):
    """Flips counted with accepted labels (ReaL), and the flips in which the student's prediction is accepted too."""
    counts, rows, missing = pairs.counts, pairs.rows, np.full(len(pairs.student), np.nan)
    if counts.accepted_images is None:
        return {"accepted_flips": missing, "student_accepted": missing, "accepted_images": None}
    with np.errstate(invalid="ignore"):
        too = rows["student_accepted"] / rows["judged_flips"]
        share = rows["accepted_flips"] / np.float64(counts.accepted_images)
    return {"accepted_flips": share, "student_accepted": too, "accepted_images": counts.accepted_images}


def measure_null(pairs):
    """Positive flips and agreement against what two models of these accuracies would show on images of this difficulty.

    The interval is that of the null, grown with the square root of the ratio above 1, for counts vary with their size.
    """
    expected, error = pairs.rows["expected_flips"], pairs.rows["expected_flips_error"]
    difference = (pairs.positive - pairs.negative) / pairs.images
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = pairs.positive / pairs.images / expected
        half = pairs.counts.null_quantile * error / expected * np.sqrt(np.maximum(1, ratio))
    return {
        "expected_flips": expected,
        "flips_over_expected": ratio,
        "flips_over_expected_low": np.maximum(0, ratio - half),
        "flips_over_expected_high": ratio + half,
        "flips_over_expected_q": pairs.rows["expected_flips_q"],
        "difficulty_agreement": 1 - 2 * expected + difference,
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
        **_refined_consistency(both_right + both_wrong, expected, student, teacher, n),
    }


def _refined_consistency(agreement, expected, student, teacher, images):
    """Kappa without its bias, and the bounds within which two models of these accuracies can reach.

    Two models agree by chance on an image that is theirs alone, so unbiased chance agreement is that of different images:
    (images x expected - agreement) / (images - 1). Agreement lies between |student + teacher - 1| and
    1 - |student - teacher|.
    """

    def kappa(agreement, expected):
        return np.where(expected < 1, (agreement - expected) / (1 - expected), np.nan)

    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "error_consistency_unbiased": kappa(agreement, (images * expected - agreement) / (images - 1)),
            "error_consistency_lowest": kappa(np.abs(student + teacher - 1), expected),
            "error_consistency_highest": kappa(1 - np.abs(student - teacher), expected),
        }


def measure_similarity(pairs):
    """Chance-adjusted similarity of the predictions (CAPA for predicted classes, Goel et al. 2025, arXiv 2502.04313).

    Observed agreement is that of the predicted classes; by chance two models agree where both are right, and where both are
    wrong in one of classes - 1 cases.
    """
    accuracy, classes = pairs.counts.right / pairs.images, pairs.counts.classes
    student, teacher = accuracy[pairs.student], accuracy[pairs.teacher]
    with np.errstate(invalid="ignore", divide="ignore"):
        chance = student * teacher + (1 - student) * (1 - teacher) / np.float64(classes - 1)
        similarity = (pairs.rows["same"] / pairs.images - chance) / (1 - chance)
    return {"chance_adjusted_similarity": np.where(np.isfinite(similarity), similarity, np.nan)}


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
MEASURES = (
    measure_network,
    measure_accuracies,
    measure_flips,
    measure_accepted,
    measure_null,
    measure_consistency,
    measure_similarity,
    measure_choices,
    measure_spread,
)


def _share(name, count, images):
    """A share with its 95 % Wilson interval."""
    from statsmodels.stats.proportion import proportion_confint  # not before the first pairs are counted

    low, high = proportion_confint(count, images, alpha=0.05, method="wilson")
    return {name: count / images, f"{name}_low": low, f"{name}_high": high}
