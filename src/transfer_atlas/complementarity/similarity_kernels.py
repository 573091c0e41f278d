"""Compiled loops for the mean cosine among the classes that hold most flips, for pairs of a student and a teacher.

Correctness is packed by class, as `flip_kernels.pack_by_class` does it.
"""

import numpy as np
from numba import njit, prange

from transfer_atlas.complementarity.flip_kernels import flips_by_class, is_one_word

DIMS = 128  # of an embedding at a time: 1,000 classes take half a megabyte, which stays in the L2 cache
TEACHERS = 64  # that are served before the next DIMS come into the cache


def block_embeddings(embeddings):
    """Cut float32 [classes, dims] into float32 [blocks, classes, DIMS], padded with zeros."""
    classes, dims = embeddings.shape
    padded = np.zeros((classes, -(-dims // DIMS) * DIMS), np.float32)
    padded[:, :dims] = embeddings
    return np.ascontiguousarray(padded.reshape(classes, -1, DIMS).transpose(1, 0, 2))


@njit(parallel=True, cache=True, fastmath={"contract", "reassoc"})
def similarity_of_top_classes(right, wrong, first_word, top_classes, blocks):
    """Mean cosine similarity among the classes that hold most flips, for all pairs of a student and a teacher.

    Args:
        right: uint64 [teachers, words] of `pack_by_class`.
        wrong: uint64 [students, words] of `pack_by_class`.
        first_word: int64 [classes + 1].
        top_classes: int32 [students, teachers, thresholds] of `count_flips`.
        blocks: float32 [blocks, classes, DIMS] of `block_embeddings`; a class's whole row has length 1.

    Returns:
        float32 [students, teachers, thresholds]; the mean over unordered pairs of different classes among the first
        `top_classes` in the order of falling flips, then class id; NaN for fewer than two classes.
    """
    students, teachers, thresholds = top_classes.shape
    squares, one_word = np.empty((students, teachers, thresholds)), is_one_word(first_word)
    for student in prange(students):
        _sum_of_student(right, wrong[student], first_word, one_word, top_classes[student], blocks, squares[student])
    return _mean_cosines(squares, top_classes)


@njit(fastmath={"contract", "reassoc"})
def _sum_of_student(right, wrong, first_word, one_word, top_classes, blocks, squares):
    """Write the squared lengths of the sums of one student's top classes, [teachers, thresholds]."""
    teachers, classes = len(right), len(first_word) - 1
    in_class, order = np.empty(classes, np.int32), np.empty((TEACHERS, classes), np.uint32)
    total = np.empty(DIMS, np.float32)
    for first in range(0, teachers, TEACHERS):
        last = min(first + TEACHERS, teachers)
        for teacher in range(first, last):
            squares[teacher, :] = 0
            flips_by_class(wrong, right[teacher], first_word, one_word, in_class)
            _sort_largest_first(in_class, order[teacher - first])
        for block in range(len(blocks)):
            for teacher in range(first, last):
                _add_squares(blocks[block], order[teacher - first], top_classes[teacher], total, squares[teacher])


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
    students, teachers, thresholds = squares.shape
    cosines = np.empty((students, teachers, thresholds), np.float32)
    for student in prange(students):
        for teacher in range(teachers):
            for threshold in range(thresholds):
                size, square = np.float64(sizes[student, teacher, threshold]), squares[student, teacher, threshold]
                cosines[student, teacher, threshold] = (square - size) / (size * (size - 1)) if size > 1 else np.nan
    return cosines


@njit(cache=True)
def _sort_largest_first(values, order):
    """Write the indices of `values` into `order`: falling values, equal ones by index (a counting sort)."""
    largest = 0
    for value in values:
        largest = max(largest, value)
    start = np.zeros(largest + 1, np.int64)
    for value in values:
        start[value] += 1
    before = 0
    for value in range(len(start) - 1, -1, -1):
        before, start[value] = before + start[value], before
    for index in range(len(values)):
        order[start[values[index]]] = index
        start[values[index]] += 1
