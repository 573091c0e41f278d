"""What all models of a zoo get right, as bits."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np

from transfer_atlas.complementarity.accepted import accepted_matrix
from transfer_atlas.complementarity.bits import WORD, pack_bits
from transfer_atlas.complementarity.flip_kernels import pack_by_class

MODELS_AT_ONCE = 256  # so many rows of the zoo are unpacked at a time


@dataclass(frozen=True)
class PackedZoo:
    """What all models get right.

    Attributes:
        models: names.
        images_of_class: int [classes], images; classes without images count 0.
        right_bits: uint64 [models, words] of `flip_kernels.pack_by_class`.
        image_bits: uint64 [words], the bits that stand for images.
        first_word: int64 [classes + 1] of `flip_kernels.pack_by_class`.
        right: int [models], images that each model gets right.
        right_models: int [images], models that get each image right.
        labels: int [images].
    """

    models: list[str]
    images_of_class: np.ndarray
    right_bits: np.ndarray
    image_bits: np.ndarray
    first_word: np.ndarray
    right: np.ndarray
    right_models: np.ndarray
    labels: np.ndarray

    @property
    def images(self):
        """Number of images."""
        return len(self.labels)

    def wrong_bits(self, first, last):
        """As `right_bits`, what models `first` to `last - 1` get wrong."""
        return ~self.right_bits[first:last] & self.image_bits


@dataclass(frozen=True)
class AcceptedZoo:
    """What all models get right on the images that have accepted labels; bits in the order of the images.

    Attributes:
        images: number of these images.
        image_bits: uint64 [words].
        right_bits: uint64 [models, words], the prediction is the label.
        accepted_bits: uint64 [models, words], the prediction is accepted.
    """

    images: int
    image_bits: np.ndarray
    right_bits: np.ndarray
    accepted_bits: np.ndarray


def pack_zoo(predicted):
    """Pack the correctness of ZooPredictions of at least one model."""
    images_of_class = predicted.images_of_class

    def pack(part):
        correct = predicted.prediction[part] == predicted.labels
        bits, wrong, first_word = pack_by_class(correct, predicted.labels, len(images_of_class))
        return bits, correct.sum(axis=1), correct.sum(axis=0), bits[0] | wrong[0], first_word

    with ThreadPoolExecutor(numba.get_num_threads()) as pool:
        right_bits, right, right_models, image_bits, first_word = zip(
            *pool.map(pack, parts_of(len(predicted.models))), strict=True
        )
    return PackedZoo(
        list(predicted.models),
        images_of_class,
        np.concatenate(right_bits),
        image_bits[0],
        first_word[0],
        np.concatenate(right),
        np.sum(right_models, axis=0),
        predicted.labels,
    )


def pack_accepted(predicted, accepted):
    """AcceptedZoo of ZooPredictions and lists of the classes that count as right, as many as images."""
    models, words = len(predicted.models), -(-len(predicted.labels) // WORD)
    right_bits, accepted_bits = (np.empty((models, words), np.uint64) for _ in range(2))
    for part in parts_of(models):
        prediction = predicted.prediction[part]
        right_too, judged = accepted_matrix(prediction, accepted)
        right_bits[part] = pack_bits((prediction == predicted.labels) & judged)
        accepted_bits[part] = pack_bits(right_too & judged)
    return AcceptedZoo(int(judged.sum()), pack_bits(judged[None])[0], right_bits, accepted_bits)


def parts_of(number, size=MODELS_AT_ONCE):
    """Slices of so many rows that cover `number` rows."""
    return [slice(first, min(first + size, number)) for first in range(0, number, size)]
