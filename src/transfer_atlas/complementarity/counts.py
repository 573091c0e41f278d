"""What every model knows that another does not, counted for all ordered pairs."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.special import xlogy

from transfer_atlas.complementarity import agreement_kernels, flip_kernels, similarity_kernels
from transfer_atlas.complementarity.classes import mean_cosine, unit_rows
from transfer_atlas.complementarity.nulls import difficulty_null
from transfer_atlas.complementarity.packed_zoo import pack_accepted, pack_zoo
from transfer_atlas.complementarity.rounded_similarity import can_be_rounded, round_cosines, rounded_mean_cosines
from transfer_atlas.complementarity.symmetric_counts import SymmetricCounts, sign_confidences
from transfer_atlas.statistics import TOP_PERCENTS
from transfer_atlas.study.pairs import check_same_network

EXACT_UP_TO = 2e10  # pairs x classes x dimensions, about a second on two cores; above, cosines are rounded


@dataclass(frozen=True)
class PairCounts:
    """Counts of the ordered pairs of some students with all models; arrays are [students, teachers] unless stated otherwise.

    Attributes:
        models: names of all models.
        first: position of the first student; the others follow it.
        images: number of images.
        classes: number of classes that have images.
        right: int [models], images that each model gets right.
        flips: int32, positive flips: images that the student gets wrong and the teacher right.
        negative_flips: int32, images that the student gets right and the teacher wrong.
        entropy: float64 in nats, of the positive flips over classes.
        top_classes: int32 [students, teachers, TOP_PERCENTS].
        same: int32, images with equal predictions.
        chosen: float64, images that the more confident of the two gets right, NaN without confidences.
        similarity: float32 [students, teachers, TOP_PERCENTS], relative to the mean over all classes, or None.
        expected_flips: float64, positive flips under the difficulty null, share of the images.
        expected_flips_error: float64, standard deviation of positive flips less the expected ones, where the null holds.
        expected_flips_q: float32, false discovery rate over all pairs, two-sided, of flips that differ from the expected ones.
        null_quantile: half of the 95 % interval in units of `expected_flips_error`.
        difference_p: float64, exact McNemar p of equal accuracies.
        difference_q: float32, this p by false discovery rate over all pairs.
        network: int [models], models with the same number are one network.
        accepted_images: number of images with accepted labels, or None, as are the next three without them.
        accepted_flips: int32, images of these on which the teacher predicts an accepted class and the student does not.
        judged_flips: int32, positive flips on these images.
        student_accepted: int32, images of judged_flips on which the student's prediction is accepted too.
    """

    models: list[str]
    first: int
    images: int
    classes: int
    right: np.ndarray
    flips: np.ndarray
    negative_flips: np.ndarray
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


class PairCounter:
    """Counts everything that the complementarity table needs, for a part of the students at a time.

    What a part holds does not depend, to the bit, on which students are counted together, nor on the number of threads.

    Attributes:
        zoo: PackedZoo.
    """

    def __init__(self, predicted, embeddings=None, same_network=(), accepted=None, tiles=None, new_array=np.empty):
        """Count what both orders of a pair share, and prepare the rest.

        Args:
            predicted: ZooPredictions of at least one model.
            embeddings: float [classes, dims], one row per class, or None; cosines of rows are class similarities.
            same_network: groups of models that are one network, as in the config.
            accepted: lists of the classes that count as right, as many as images; None where only the label does.
            tiles: as in `SymmetricCounts`; None to keep them in memory.
            new_array: as in `symmetric_counts.sign_confidences`.

        Raises:
            InputError: a model of `same_network` that has no predictions, or that is named twice.
        """
        self._network = _number_networks(predicted.models, same_network)
        self.zoo = pack_zoo(predicted)
        with ThreadPoolExecutor(1) as thread:
            null = thread.submit(difficulty_null, self.zoo, predicted)
            similarity = thread.submit(_similarity_of, self.zoo, embeddings)
            signed, self._has_confidences = sign_confidences(predicted, new_array)
        self._null, self._similarity = null.result(), similarity.result()
        self._symmetric = SymmetricCounts(self.zoo, self._null, predicted, {} if tiles is None else tiles, signed)
        self._accepted = None if accepted is None else pack_accepted(predicted, accepted)

    def count(self, first, last):
        """PairCounts of models `first` to `last - 1` as students."""
        zoo, wrong = self.zoo, self.zoo.wrong_bits(first, last)
        k = np.arange(zoo.images_of_class.max() + 1, dtype=float)
        flips, entropy, top_classes, last_classes = flip_kernels.count_flips(
            zoo.right_bits, wrong, zoo.first_word, xlogy(k, k), np.array(TOP_PERCENTS, dtype=np.int64)
        )
        shared = self._symmetric.rows(first, last)
        return PairCounts(
            models=zoo.models,
            first=first,
            images=zoo.images,
            classes=int((zoo.images_of_class > 0).sum()),
            right=zoo.right,
            flips=flips,
            negative_flips=zoo.right[first:last, None] - shared["both_right"],
            entropy=entropy,
            top_classes=top_classes,
            same=shared["same"],
            chosen=self._count_confident_choice(shared["signs"], first, last),
            similarity=self._similarity(wrong, top_classes, last_classes),
            expected_flips=self._expected_flips(shared["expected"], first, last),
            expected_flips_error=shared["expected_error"],
            expected_flips_q=self._symmetric.expected_q.adjust(shared["expected_p"]),
            null_quantile=self._null.quantile,
            difference_p=shared["difference_p"],
            difference_q=self._symmetric.difference_q.adjust(shared["difference_p"]),
            network=self._network,
            **self._count_accepted(first, last),
        )

    def _expected_flips(self, expected, first, last):
        """Expected flips less those of the other order are the difference of the accuracies, as counted flips are."""
        accuracy = self.zoo.right / self.zoo.images
        swapped = expected - accuracy[first:last, None] + accuracy
        is_earlier = np.arange(first, last)[:, None] < np.arange(len(accuracy))
        return np.where(is_earlier, expected, swapped)

    def _count_confident_choice(self, signs, first, last):
        known = self._has_confidences[first:last, None] & self._has_confidences
        return np.where(known, (self.zoo.images + signs) / 2, np.nan)

    def _count_accepted(self, first, last):
        """Fields of PairCounts on images that have accepted labels; none without."""
        accepted = self._accepted
        if accepted is None:
            return {}
        own_right, own_accepted = accepted.right_bits[first:last], accepted.accepted_bits[first:last]
        wrong, neither = ~own_right & accepted.image_bits, ~own_accepted & accepted.image_bits
        return {
            "accepted_images": accepted.images,
            "accepted_flips": agreement_kernels.count_common(neither, accepted.accepted_bits),
            "judged_flips": agreement_kernels.count_common(wrong, accepted.right_bits),
            "student_accepted": agreement_kernels.count_common(wrong & own_accepted, accepted.right_bits),
        }


def count_pairs(predicted, embeddings=None, same_network=(), accepted=None):
    """PairCounts of all ordered pairs; arguments as of `PairCounter`."""
    return PairCounter(predicted, embeddings, same_network, accepted).count(0, len(predicted.models))


def _similarity_of(zoo, embeddings):
    """A function of the students' wrong bits, and the top classes of the pairs and their least flips.

    It returns the mean cosines among the top classes over the mean of all classes that have images, less 1; None without
    embeddings.
    """
    if embeddings is None:
        return lambda wrong, top_classes, last_classes: None
    images_of_class = zoo.images_of_class
    unit = unit_rows(embeddings[: len(images_of_class)])
    mean = mean_cosine(unit[images_of_class > 0])

    def exact(wrong, top_classes, last_classes):
        cosines = similarity_kernels.similarity_of_top_classes(
            zoo.right_bits, wrong, zoo.first_word, top_classes, blocks
        )
        return cosines / mean - 1

    def rounded(wrong, top_classes, last_classes):
        bits = zoo.right_bits, wrong, zoo.first_word
        return rounded_mean_cosines(*bits, top_classes, last_classes, cosines) / mean - 1

    if len(zoo.models) ** 2 * unit.size > EXACT_UP_TO and can_be_rounded(images_of_class):
        difficulty = np.bincount(zoo.labels, weights=zoo.right_models)
        cosines = round_cosines(unit, np.argsort(difficulty, kind="stable"))
        return rounded
    blocks = similarity_kernels.block_embeddings(unit)
    return exact


def _number_networks(models, same_network):
    check_same_network(same_network, models)
    first = {name: group[0] for group in same_network for name in group}
    return np.array([models.index(first.get(model, model)) for model in models])
