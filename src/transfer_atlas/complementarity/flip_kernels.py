"""Compiled loops over all pairs of models, class by class; they know arrays only.

Correctness is packed by class: class c owns the words first_word[c] to first_word[c + 1] - 1, 64 images a word, so that
the flips of one pair in one class are a few popcounts. Every pair is computed on its own, so results do not
depend on the number of threads.
"""

import numpy as np
from numba import njit, prange

from transfer_atlas.complementarity.bits import WORD, pack_bits, popcount

DIMS = 128  # of an embedding at a time: 1,000 classes take half a megabyte, which stays in the L2 cache
TEACHERS = 64  # that are served before the next DIMS come into the cache


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
    for row, answers in enumerate(correct):  # row by row: no unpacked copy of the whole zoo
        bits[place] = answers
        right[row] = pack_bits(bits[None])[0]
    return right, ~right & taken, first_word


@njit(parallel=True, cache=True)
def count_flips(right, wrong, first_word, entropy_terms, percents):
    """Flips of all ordered pairs, their entropy over classes, and how many classes hold most of them.

    Args:
        right: uint64 [models, words] of `pack_by_class`.
        wrong: uint64 [models, words] of `pack_by_class`.
        first_word: int64 [classes + 1].
        entropy_terms: float64 [largest class + 1], k ln k.
        percents: int64 [thresholds], in percent of the flips, rising.

    Returns:
        (flips, entropy, top_classes): int32 [students, teachers], float64 [students, teachers] in nats,
        int32 [students, teachers, thresholds]: size of the smallest prefix of the classes, sorted by falling
        flips, that holds at least that percentage of the flips.
    """
    models, classes = len(right), len(first_word) - 1
    flips = np.zeros((models, models), np.int32)
    entropy = np.zeros((models, models), np.float64)
    top_classes = np.zeros((models, models, len(percents)), np.int32)
    one_word = first_word[classes] == classes and np.all(np.diff(first_word) == 1)
    for student in prange(models):
        histogram = np.zeros(len(entropy_terms), np.int32)  # classes by their flips
        for teacher in range(models):
            if student == teacher:
                continue
            most = _histogram_of_flips(wrong[student], right[teacher], first_word, one_word, histogram)
            total, weighted = 0, 0.0
            for k in range(1, most + 1):
                total += histogram[k] * k
                weighted += histogram[k] * entropy_terms[k]
            if total > 0:
                flips[student, teacher] = total
                entropy[student, teacher] = max(0.0, np.log(total) - weighted / total)
                _count_top_classes(histogram, most, total, percents, top_classes[student, teacher])
            histogram[: most + 1] = 0
    return flips, entropy, top_classes


@njit(inline="always")
def _histogram_of_flips(wrong, right, first_word, one_word, histogram):
    """Add every class to the bin of its flips; returns the largest bin."""
    most = 0
    if one_word:
        for c in range(len(wrong)):
            k = popcount(wrong[c] & right[c])
            histogram[k] += 1
            most = max(most, k)
        return most
    for c in range(len(first_word) - 1):
        k = 0
        for word in range(first_word[c], first_word[c + 1]):
            k += popcount(wrong[word] & right[word])
        histogram[k] += 1
        most = max(most, k)
    return most


@njit(inline="always")
def _count_top_classes(histogram, most, total, percents, counts):
    """Walk down the bins until each percentage of the flips is reached; integers, so that no rounding adds a class."""
    held, taken, threshold = 0, 0, 0
    for k in range(most, 0, -1):
        while threshold < len(percents):
            missing = percents[threshold] * total - 100 * held  # in hundredths of a flip
            needed = (missing + 100 * k - 1) // (100 * k)
            if needed > histogram[k]:
                break
            counts[threshold] = taken + needed
            threshold += 1
        held += histogram[k] * k
        taken += histogram[k]


def block_embeddings(embeddings):
    """Cut float32 [classes, dims] into float32 [blocks, classes, DIMS], padded with zeros."""
    classes, dims = embeddings.shape
    padded = np.zeros((classes, -(-dims // DIMS) * DIMS), np.float32)
    padded[:, :dims] = embeddings
    return np.ascontiguousarray(padded.reshape(classes, -1, DIMS).transpose(1, 0, 2))


@njit(parallel=True, cache=True, fastmath={"contract", "reassoc"})
def similarity_of_top_classes(right, wrong, first_word, top_classes, blocks):
    """Mean cosine similarity among the classes that hold most flips, for all ordered pairs.

    Args:
        right: uint64 [models, words] of `pack_by_class`.
        wrong: uint64 [models, words] of `pack_by_class`.
        first_word: int64 [classes + 1].
        top_classes: int32 [students, teachers, thresholds] of `count_flips`.
        blocks: float32 [blocks, classes, DIMS] of `block_embeddings`; a class's whole row has length 1.

    Returns:
        float32 [students, teachers, thresholds]; the mean over unordered pairs of different classes among the first
        `top_classes` in the order of falling flips, then class id; NaN for fewer than two classes.
    """
    models, thresholds, classes = len(right), top_classes.shape[2], len(first_word) - 1
    squares = np.zeros((models, models, thresholds))
    for student in prange(models):
        in_class = np.empty(classes, np.int32)
        order = np.empty((TEACHERS, classes), np.uint32)
        total = np.empty(DIMS, np.float32)
        for first in range(0, models, TEACHERS):
            last = min(first + TEACHERS, models)
            for teacher in range(first, last):
                _flips_by_class(wrong[student], right[teacher], first_word, in_class)
                _sort_largest_first(in_class, order[teacher - first])
            for block in range(len(blocks)):
                for teacher in range(first, last):
                    _add_squares(
                        blocks[block],
                        order[teacher - first],
                        top_classes[student, teacher],
                        total,
                        squares[student, teacher],
                    )
    return _mean_cosines(squares, top_classes)


@njit(inline="always")
def _add_squares(block, order, sizes, total, squares):
    """Add to `squares` the squared length, within these dimensions, of the sum of the first `sizes` rows."""
    total[:] = 0
    taken = 0
    for threshold in range(len(sizes)):
        size = sizes[threshold]
        while taken + 4 <= size:  # four rows for one pass over the sum
            a, b, c, d = order[taken], order[taken + 1], order[taken + 2], order[taken + 3]
            for dim in range(DIMS):
                total[dim] += (block[a, dim] + block[b, dim]) + (block[c, dim] + block[d, dim])
            taken += 4
        while taken < size:
            a = order[taken]
            for dim in range(DIMS):
                total[dim] += block[a, dim]
            taken += 1
        square = 0.0  # float64: what order it is summed in, which is the compiler's to choose, no longer shows
        for dim in range(DIMS):
            value = np.float64(total[dim])
            square += value * value
        squares[threshold] += square


@njit(parallel=True, cache=True)
def _mean_cosines(squares, sizes):
    """|sum of n unit vectors|^2 = n + 2 (sum of the cosines of their pairs)."""
    cosines = np.full(squares.shape, np.nan, np.float32)
    for student in prange(len(squares)):
        for teacher in range(squares.shape[1]):
            for threshold in range(squares.shape[2]):
                size = np.float64(sizes[student, teacher, threshold])
                if size > 1:
                    cosines[student, teacher, threshold] = (squares[student, teacher, threshold] - size) / (
                        size * (size - 1)
                    )
    return cosines


@njit(inline="always")
def _flips_by_class(wrong, right, first_word, flips):
    for c in range(len(flips)):
        k = 0
        for word in range(first_word[c], first_word[c + 1]):
            k += popcount(wrong[word] & right[word])
        flips[c] = k


@njit(cache=True)
def _sort_largest_first(values, order):
    """Write the indices of `values` into `order`: falling values, equal ones by index (a counting sort)."""
    start = np.zeros(values.max() + 1, np.int64)
    for value in values:
        start[value] += 1
    before = 0
    for value in range(len(start) - 1, -1, -1):
        before, start[value] = before + start[value], before
    for index in range(len(values)):
        order[start[values[index]]] = index
        start[values[index]] += 1
