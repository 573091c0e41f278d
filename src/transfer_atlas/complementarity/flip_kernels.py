"""Compiled loops over all pairs of models, class by class; arguments and results are plain arrays.

Correctness is packed by class: class c owns the words first_word[c] to first_word[c + 1] - 1, 64 images a word, so that
the flips of one pair in one class are a few popcounts. Every pair is computed on its own, so results do not
depend on the number of threads.
"""

import numpy as np
from numba import njit, prange

from transfer_atlas.complementarity.bits import WORD, pack_bits, popcount


def pack_by_class(correct, labels, classes):
    """Pack correctness so that every class starts at a word of its own.

    Args:
        correct: bool [models, images].
        labels: int [images].
        classes: number of classes; a class without images gets no word.

    Returns:
        (right, wrong, first_word): uint64 [models, words] twice, and int64 [classes + 1].
    """
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels, minlength=classes)
    words = -(-counts // WORD)
    first_word = np.concatenate([[0], np.cumsum(words)])
    rank_in_class = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    place = np.empty(len(labels), dtype=np.int64)  # bit of every image
    place[order] = np.repeat(first_word[:-1] * WORD, counts) + rank_in_class
    bits = np.zeros(first_word[-1] * WORD, dtype=bool)
    bits[place] = True
    taken = pack_bits(bits[None])[0]
    right = np.empty((len(correct), len(taken)), dtype=np.uint64)
    for row, of_model in enumerate(correct):  # row by row: no unpacked copy of the whole zoo
        bits[place] = of_model
        right[row] = pack_bits(bits[None])[0]
    return right, ~right & taken, first_word


@njit(parallel=True, cache=True)
def count_flips(right, wrong, first_word, entropy_terms, percents):
    """Flips of all pairs of a student and a teacher, their entropy over classes, and how many classes hold most of them.

    Args:
        right: uint64 [teachers, words] of `pack_by_class`.
        wrong: uint64 [students, words] of `pack_by_class`.
        first_word: int64 [classes + 1].
        entropy_terms: float64 [largest class + 1], k ln k.
        percents: int64 [thresholds], in percent of the flips, rising.

    Returns:
        (flips, entropy, top_classes, last_classes): int32 [students, teachers], float64 [students, teachers] in nats,
        int32 [students, teachers, thresholds]: size of the smallest prefix of the classes, sorted by falling
        flips, that holds at least that percentage of the flips; and int32 [students, teachers, thresholds, 2]: the flips of
        its last class, and the place of that class among those with as many.
    """
    students, teachers, thresholds = len(wrong), len(right), len(percents)
    flips, entropy = np.empty((students, teachers), np.int32), np.empty((students, teachers), np.float64)
    top_classes = np.empty((students, teachers, thresholds), np.int32)
    last_classes = np.empty((students, teachers, thresholds, 2), np.int32)
    one_word = is_one_word(first_word)
    for student in prange(students):
        found = flips[student], entropy[student], top_classes[student], last_classes[student]
        _count_of_student(right, wrong[student], first_word, one_word, entropy_terms, percents, *found)
    return flips, entropy, top_classes, last_classes


# loops over threads are compiled faster with a function as their body, and with arrays that are not filled
@njit
def _count_of_student(
    right, wrong, first_word, one_word, entropy_terms, percents, flips, entropy, top_classes, last_classes
):
    """As `count_flips` of one student, whose arrays are written."""
    histogram = np.zeros(len(entropy_terms) + 3, np.int32)  # classes by their flips; bins are filled four at a time
    in_class = np.zeros(-(-len(first_word) // WORD) * WORD, np.uint8)
    for teacher in range(len(right)):
        if one_word:
            most = _histogram_of_words(wrong, right[teacher], in_class, histogram)
        else:
            most = _histogram_of_flips(wrong, right[teacher], first_word, histogram)
        total, weighted = 0, 0.0
        for k in range(1, most + 1):
            total += histogram[k] * k
            weighted += histogram[k] * entropy_terms[k]
        flips[teacher] = total
        entropy[teacher] = max(0.0, np.log(total) - weighted / total) if total > 0 else 0.0
        _count_top_classes(histogram, most, total, percents, top_classes[teacher], last_classes[teacher])
        histogram[: most + 1] = 0


@njit(inline="always")
def _histogram_of_words(wrong, right, in_class, histogram):
    """As `_histogram_of_flips` where every class has one word, and so at most 64 flips; several times faster.

    A number in memory that grows by one has to wait for itself. So the flips are written as bytes, `in_class`, and the bytes
    of each value are counted, in bytes too: a processor compares and adds up to 64 of them at a time. Where a bin has more
    than 255 classes the sum of its flips shows it, and the classes are added one by one.
    """
    total, most = 0, np.uint8(0)
    for c in range(len(wrong)):
        k = popcount(wrong[c] & right[c])
        in_class[c] = np.uint8(k)
        total += k
    for k in in_class:
        most = max(most, k)
    counted = 0
    for first in range(1, most + 1, 4):
        bins = _count_values(in_class, np.uint8(first))
        for offset in range(4):
            histogram[first + offset] = bins[offset]
            counted += np.int64(bins[offset]) * (first + offset)
    if counted != total:
        histogram[:] = 0
        for c in range(len(wrong)):
            histogram[in_class[c]] += 1
    return np.int64(most)


@njit(inline="always")
def _count_values(values, first):
    """How often `first` and the three values after it occur among bytes, each modulo 256."""
    second, third, fourth = np.uint8(first + 1), np.uint8(first + 2), np.uint8(first + 3)
    n1 = n2 = n3 = n4 = np.uint8(0)
    for value in values:
        n1 = np.uint8(n1 + np.uint8(value == first))
        n2 = np.uint8(n2 + np.uint8(value == second))
        n3 = np.uint8(n3 + np.uint8(value == third))
        n4 = np.uint8(n4 + np.uint8(value == fourth))
    return n1, n2, n3, n4


@njit(inline="always")
def _histogram_of_flips(wrong, right, first_word, histogram):
    """Add every class to the bin of its flips; returns the largest bin."""
    most = 0
    for c in range(len(first_word) - 1):
        k = 0
        for word in range(first_word[c], first_word[c + 1]):
            k += popcount(wrong[word] & right[word])
        histogram[k] += 1
        most = max(most, k)
    return most


@njit(inline="always")
def _count_top_classes(histogram, most, total, percents, counts, last_classes):
    """Walk down the bins until each percentage of the flips is reached; integers, so that no rounding adds a class."""
    held, taken, threshold = 0, 0, 0
    if total == 0:
        for number in range(len(percents)):
            counts[number], last_classes[number, 0], last_classes[number, 1] = 0, 0, 0
    for k in range(most, 0, -1):
        while threshold < len(percents):
            missing = percents[threshold] * total - 100 * held  # in hundredths of a flip
            if missing > 100 * k * histogram[k]:  # before the division, which is slow and seldom needed
                break
            place = (missing + 100 * k - 1) // (100 * k)
            counts[threshold] = taken + place
            last_classes[threshold, 0], last_classes[threshold, 1] = k, place
            threshold += 1
        held += histogram[k] * k
        taken += histogram[k]


@njit
def is_one_word(first_word):
    """Whether every class has exactly one word, which makes counting several times faster."""
    one_word = True
    for c in range(len(first_word) - 1):  # a loop, which is compiled in a fraction of the time of NumPy's functions
        one_word &= first_word[c + 1] - first_word[c] == 1
    return one_word


@njit
def flips_by_class(wrong, right, first_word, one_word, flips):
    """Write the flips of one pair in every class into `flips`; `one_word` is what `is_one_word` says."""
    if one_word:
        for c in range(len(flips)):
            flips[c] = popcount(wrong[c] & right[c])
        return
    for c in range(len(flips)):
        k = 0
        for word in range(first_word[c], first_word[c + 1]):
            k += popcount(wrong[word] & right[word])
        flips[c] = k
