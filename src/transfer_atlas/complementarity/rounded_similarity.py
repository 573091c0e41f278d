"""The same mean cosines as `similarity_kernels` makes, many times faster, from cosines rounded to integers of 16 bits.

The sum of the cosines of all pairs of top classes is a sum of integers, of which a processor adds 32 at a time (`masked_sums`). Each
cosine is rounded up or down at random, always in the same way, so that sums have no bias. Sums of few classes, where rounding would
show, take the cosines as they are. Sums of integers do not depend on their order, nor on the number of threads, nor on the processor.
"""

import numpy as np
from numba import njit, prange

from transfer_atlas.complementarity.bits import nonzero_bits, trailing_zeros
from transfer_atlas.complementarity.flip_kernels import flips_by_class, is_one_word
from transfer_atlas.complementarity.masked_sums import BLOCK, summing_rows, supported_ways
from transfer_atlas.complementarity.vectors import aligned_zeros

FEW = 32  # classes, whose cosines are not rounded
TEACHERS = 16  # whose sets of classes stay in the cache
COLUMNS = 1024
LIMIT = 2**14 - 1  # of the sum of a row in so many columns: the sum of 64 rows of 2^16 columns fits into 32 bits
sum_rows = summing_rows(supported_ways()[0])


def can_be_rounded(images_of_class):
    """Whether class ids and the flips of a class fit into 16 bits."""
    return max(len(images_of_class), int(images_of_class.max())) < 2**16


def rounded_mean_cosines(right, wrong, first_word, top_classes, last_classes, cosines):
    """Mean cosine similarity among the classes that hold most flips, for all pairs of a student and a teacher.

    Args:
        right: uint64 [teachers, words] of `flip_kernels.pack_by_class`.
        wrong: uint64 [students, words] of `flip_kernels.pack_by_class`.
        first_word: int64 [classes + 1].
        top_classes: int32 [students, teachers, thresholds] of `flip_kernels.count_flips`.
        last_classes: int32 [students, teachers, thresholds, 2] of `flip_kernels.count_flips`.
        cosines: of `round_cosines`; fastest are those of the classes with most errors first.

    Returns:
        float32 [students, teachers, thresholds] as of `similarity_kernels.similarity_of_top_classes`.
    """
    sums = sum_cosines(right, wrong, first_word, top_classes, last_classes, *cosines)
    with np.errstate(invalid="ignore", divide="ignore"):
        sums /= top_classes
        sums /= top_classes - 1
    sums *= 2
    sums[top_classes < 2] = np.nan
    return sums.astype(np.float32)


def round_cosines(unit, order, seed=0):
    """Cosines of all pairs of classes, as integers and as they are, the classes renumbered.

    Args:
        unit: float [classes, dims], rows of length 1.
        order: int [classes], the classes in their new order.
        seed: of the rounding.

    Returns:
        (order, rounded, exact, step): uint16 [classes]; int16 [classes + 1, padded classes], the cosine with each class before in the
        new order, in steps, and a row of zeros; float32 [classes, classes]; and the step.
    """
    exact = unit.astype(np.float64) @ unit.T.astype(np.float64)
    np.fill_diagonal(exact, 0)
    classes = len(exact)
    up = np.tril(np.random.default_rng(seed).random(exact.shape, np.float32), -1)
    up += up.T  # one number per pair of classes, whatever their order
    columns = range(0, classes, COLUMNS)
    step = max(np.abs(exact[:, first : first + COLUMNS]).sum(axis=1).max() for first in columns) / LIMIT or 1.0
    while True:
        rounded = np.floor(exact / step + up).astype(np.int32)
        if max(np.abs(rounded[:, first : first + COLUMNS]).sum(axis=1).max() for first in columns) <= LIMIT:
            break
        step *= 1.02
    blocks = -(-classes // BLOCK)
    padded = aligned_zeros(classes + 1, blocks * BLOCK, np.int16)
    padded[:classes, :classes] = np.tril(rounded[np.ix_(order, order)], -1)
    # an index that cannot be negative needs no test
    return order.astype(np.uint16), padded, exact[np.ix_(order, order)].astype(np.float32), step


@njit(parallel=True, cache=True)
def sum_cosines(right, wrong, first_word, top_classes, last_classes, order, rounded, exact, step):
    """Sum of the cosines of all pairs of different classes among the classes that hold most flips.

    Args:
        right: as in `rounded_mean_cosines`.
        wrong: as in `rounded_mean_cosines`.
        first_word: as in `rounded_mean_cosines`.
        top_classes: as in `rounded_mean_cosines`.
        last_classes: as in `rounded_mean_cosines`.
        order: of `round_cosines`.
        rounded: of `round_cosines`.
        exact: of `round_cosines`.
        step: of `round_cosines`.

    Returns:
        float64 [students, teachers, thresholds]; the classes are the first ones in the order of falling flips, then class id.
    """
    students, teachers, thresholds = top_classes.shape
    sums, one_word = np.empty((students, teachers, thresholds)), is_one_word(first_word)
    for student in prange(students):
        of_pairs = top_classes[student], last_classes[student]
        cosines = order, rounded, exact, step
        _sum_of_student(right, wrong[student], first_word, one_word, *of_pairs, *cosines, sums[student])
    return sums


@njit
def _sum_of_student(right, wrong, first_word, one_word, top_classes, last_classes, order, rounded, exact, step, sums):
    """As `sum_cosines` of one student, whose sums are written."""
    teachers, thresholds, classes = len(right), top_classes.shape[1], len(order)
    blocks = rounded.shape[1] // BLOCK
    by_class, by_place = np.zeros(classes, np.uint16), np.zeros(classes, np.uint16)
    masks = aligned_zeros(TEACHERS * thresholds, blocks * BLOCK, np.int16)
    masks = masks.reshape(TEACHERS, thresholds, masks.shape[1])
    rows, few = np.zeros((TEACHERS, thresholds, blocks), np.uint64), np.empty(FEW, np.uint16)
    for first in range(0, teachers, TEACHERS):
        last = min(first + TEACHERS, teachers)
        for teacher in range(last - first):
            flips_by_class(wrong, right[first + teacher], first_word, one_word, by_class)
            for place in range(np.uint64(classes)):
                by_place[place] = by_class[order[place]]
            for threshold in range(thresholds):
                size, mask = top_classes[first + teacher, threshold], masks[teacher, threshold]
                if size > 1:
                    flips, number = last_classes[first + teacher, threshold]
                    _choose_classes(by_class, by_place, order, np.uint16(flips), number, mask)
                    for block in range(blocks):
                        rows[teacher, threshold, block] = nonzero_bits(mask, np.uint64(block))
                few_cosines = _sum_few(rows[teacher, threshold], few, exact) if 1 < size <= FEW else 0.0
                sums[first + teacher, threshold] = few_cosines
        _sum_many(rows, masks, top_classes[first:last], rounded, step, sums[first:last])


@njit
def _choose_classes(by_class, by_place, order, least, number, mask):
    """Set the mask of the classes with more than `least` flips, and of the first ones with as many, so many of them."""
    last = np.uint16(_find_class(by_class, least, number))
    for place in range(np.uint64(len(order))):
        flips = by_place[place]
        mask[place] = np.int16((flips > least) | ((flips == least) & (order[place] <= last)))


@njit
def _find_class(by_class, flips, place):
    """Id of the class that comes `place`-th among those with so many flips; blocks are counted at once."""
    start, found = 0, 0
    while start + BLOCK <= len(by_class):
        there = np.uint16(0)
        for c in range(start, start + BLOCK):
            there = np.uint16(there + np.uint16(by_class[c] == flips))
        if found + there >= place:
            break
        found, start = found + there, start + BLOCK
    c = start - 1
    while found < place:
        c += 1
        found += by_class[c] == flips
    return c


@njit
def _sum_few(rows, few, exact):
    """Sum of the cosines, as they are, of all pairs of a few classes."""
    found = 0
    for block in range(len(rows)):
        left = rows[block]
        while left:
            few[found] = BLOCK * block + trailing_zeros(left)
            found += 1
            left &= left - np.uint64(1)
    total = 0.0
    for second in range(found):
        for first in range(second):
            total += exact[few[second], few[first]]
    return total


@njit
def _sum_many(rows, masks, sizes, rounded, step, totals):
    """Sums of rounded cosines: blocks of rows, which stay in the cache, for all teachers."""
    teachers, thresholds = sizes.shape
    steps = np.zeros((teachers, thresholds), np.int64)
    for block in range(rows.shape[2]):
        for teacher in range(teachers):
            for threshold in range(thresholds):
                if sizes[teacher, threshold] > FEW:
                    steps[teacher, threshold] += sum_rows(
                        rounded,
                        np.uint64(BLOCK * block),
                        rows[teacher, threshold, block],
                        np.uint64(block + 1),
                        masks[teacher, threshold],
                    )
    for teacher in range(teachers):
        for threshold in range(thresholds):
            if sizes[teacher, threshold] > FEW:
                totals[teacher, threshold] = steps[teacher, threshold] * step
