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
    teachers, classes = len(right), len(first_word) - 1
    squares = np.zeros(top_classes.shape)
    one_word = is_one_word(first_word)
    for student in prange(len(wrong)):
        in_class = np.empty(classes, np.int32)
        order = np.empty((TEACHERS, classes), np.uint32)
        total = np.empty(DIMS, np.float32)
        for first in range(0, teachers, TEACHERS):
            last = min(first + TEACHERS, teachers)
            for teacher in range(first, last):
                flips_by_class(wrong[student], right[teacher], first_word, one_word, in_class)
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
