"""What every model knows that another does not, counted for all ordered pairs."""

from dataclasses import dataclass, fields

import numpy as np
from scipy.special import xlogy

from transfer_atlas.complementarity import agreement_kernels, flip_kernels, similarity_kernels
from transfer_atlas.complementarity.accepted import accepted_matrix
from transfer_atlas.complementarity.bits import pack_bits
from transfer_atlas.complementarity.classes import mean_cosine, unit_rows
from transfer_atlas.complementarity.nulls import difficulty_null
from transfer_atlas.complementarity.rounded_similarity import can_be_rounded, rounded_mean_cosines
from transfer_atlas.statistics import TOP_PERCENTS, false_discovery_rate, mcnemar_p
from transfer_atlas.study.pairs import check_same_network

EXACT_UP_TO = 2e10  # pairs x classes x dimensions, about a second on two cores; above, cosines are rounded


@dataclass(frozen=True)
class PairCounts:
    """Counts of all ordered pairs; arrays are [students, teachers] unless stated otherwise.

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
        expected_flips, expected_flips_error, expected_flips_q: of nulls.DifficultyNull.
        null_quantile: its quantile.
        difference_p: float64, exact McNemar p of equal accuracies.
        difference_q: float32, this p by false discovery rate over all pairs.
        network: int [models], models with the same number are one network.
        accepted_images: number of images with accepted labels, or None, as are the next three without them.
        accepted_flips: int32, images of these on which the teacher predicts an accepted class and the student does not.
        judged_flips: int32, positive flips on these images.
        student_accepted: int32, images of judged_flips on which the student's prediction is accepted too.
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
    expected_flips: np.ndarray
    expected_flips_error: np.ndarray
    expected_flips_q: np.ndarray
    null_quantile: float
    difference_p: np.ndarray
    difference_q: np.ndarray
    network: np.ndarray
    accepted_images: int | None = None
    accepted_flips: np.ndarray | None = None
    judged_flips: np.ndarray | None = None
    student_accepted: np.ndarray | None = None

    def of_students(self, first, last):
        """The same for the rows of students `first` to `last - 1`, as a dict."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value[first:last] if isinstance(value, np.ndarray) and value.ndim > 1 else value
            for name, value in arrays.items()
        }


def count_pairs(predicted, embeddings=None, same_network=(), accepted=None):
    """Count everything that the complementarity table needs, for all ordered pairs.

    Positive flips are the images that the student gets wrong and the teacher right.

    Args:
        predicted: ZooPredictions of at least one model.
        embeddings: float [classes, dims], one row per class, or None; cosines of rows are class similarities.
        same_network: groups of models that are one network, as in the config.
        accepted: lists of the classes that count as right, as many as images; None where only the label does.

    Returns:
        PairCounts.

    Raises:
        InputError: a model of `same_network` that has no predictions, or that is named twice.
    """
    images_of_class = predicted.images_of_class
    classes = len(images_of_class)
    packed = flip_kernels.pack_by_class(predicted.correct, predicted.labels, classes)
    k = np.arange(images_of_class.max() + 1, dtype=float)
    flips, entropy, top_classes = flip_kernels.count_flips(*packed, xlogy(k, k), np.array(TOP_PERCENTS, dtype=np.int64))
    null = difficulty_null(predicted.correct, flips)
    return PairCounts(
        models=list(predicted.models),
        images=len(predicted.labels),
        classes=int((images_of_class > 0).sum()),
        right=predicted.correct.sum(axis=1),
        flips=flips,
        entropy=entropy,
        top_classes=top_classes,
        same=agreement_kernels.count_same(predicted.prediction),
        chosen=_count_confident_choice(predicted),
        similarity=_relative_similarity(packed, top_classes, embeddings, predicted),
        expected_flips=null.expected,
        expected_flips_error=null.error,
        expected_flips_q=null.q,
        null_quantile=null.quantile,
        **_judge_differences(flips, len(predicted.labels)),
        network=_number_networks(predicted.models, same_network),
        **_count_accepted(predicted, accepted),
    )


def _judge_differences(flips, images):
    """Fields of PairCounts on the accuracies of pairs; both orders of a pair have the same p, so it is computed once."""
    student, teacher = np.triu_indices(len(flips), 1)
    p = mcnemar_p(flips[student, teacher] / images, flips[teacher, student] / images, images)
    fields_of = {"difference_p": (p, np.float64), "difference_q": (false_discovery_rate(p), np.float32)}
    matrices = {name: np.full(flips.shape, np.nan, kind) for name, (_, kind) in fields_of.items()}
    for name, (values, _) in fields_of.items():
        matrices[name][student, teacher] = matrices[name][teacher, student] = values
    return matrices


def _relative_similarity(packed, top_classes, embeddings, predicted):
    """Mean cosines among the top classes over the mean of all classes that have images, less 1; None without embeddings."""
    if embeddings is None:
        return None
    images_of_class = predicted.images_of_class
    unit = unit_rows(embeddings[: len(images_of_class)])
    if len(predicted.models) ** 2 * unit.size > EXACT_UP_TO and can_be_rounded(images_of_class):
        difficulty = np.bincount(predicted.labels, weights=predicted.correct.mean(axis=0))
        cosines = rounded_mean_cosines(*packed, top_classes, unit, np.argsort(difficulty, kind="stable"))
    else:
        blocks = similarity_kernels.block_embeddings(unit)
        cosines = similarity_kernels.similarity_of_top_classes(*packed, top_classes, blocks)
    return cosines / mean_cosine(unit[images_of_class > 0]) - 1


def _count_accepted(predicted, accepted):
    """Fields of PairCounts on images that have accepted labels; none without."""
    if accepted is None:
        return {}
    right_too, judged = accepted_matrix(predicted, accepted)
    right, wrong = (pack_bits(bits & judged) for bits in (predicted.correct, ~predicted.correct))
    too, neither = (pack_bits(bits & judged) for bits in (right_too, ~right_too))
    return {
        "accepted_images": int(judged.sum()),
        "accepted_flips": agreement_kernels.count_common(neither, too),
        "judged_flips": agreement_kernels.count_common(wrong, right),
        "student_accepted": agreement_kernels.count_common(wrong & too, right),
    }


def _number_networks(models, same_network):
    check_same_network(same_network, models)
    first = {name: group[0] for group in same_network for name in group}
    return np.array([models.index(first.get(model, model)) for model in models])


def _count_confident_choice(predicted):
    """The field `chosen` of PairCounts; NaN where one of the two models has no confidences."""
    known = np.flatnonzero(~np.isnan(predicted.confidence).any(axis=1))
    chosen = np.full((len(predicted.models),) * 2, np.nan)
    if len(known):
        signed = np.empty((len(known), len(predicted.labels)), np.float32)
        for row, model in enumerate(known):  # one by one: no further copy of the whole zoo
            signed[row] = np.where(predicted.correct[model], predicted.confidence[model], -predicted.confidence[model])
        chosen[np.ix_(known, known)] = agreement_kernels.count_confident_choice(signed)
    return chosen
