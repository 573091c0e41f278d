"""The same mean cosines as `similarity_kernels` makes, several times faster, from cosines rounded to integers of 16 bits.

The sum of the cosines of all pairs of top classes is a sum of integers, of which a processor adds 16 or 32 at a time. Each cosine
is rounded up or down at random, always in the same way, so that sums have no bias. Sums of few classes, where rounding would
show, take the cosines as they are. Sums of integers do not depend on their order, nor on the number of threads.
"""

import numpy as np
from numba import njit, prange

from transfer_atlas.complementarity.bits import WORD
from transfer_atlas.complementarity.flip_kernels import flips_by_class, is_one_word

FEW = 32  # classes, whose cosines are not rounded
TEACHERS = 16  # whose sets of classes stay in the cache
ROWS = 64  # of cosines, that are in the cache at a time
COLUMNS = 1024  # whose cosines are summed with 16 bits
VECTOR = 64  # columns at a time
LIMIT = 2**14 - 1  # of the sum of a row: two rows are summed with 16 bits


def can_be_rounded(images_of_class):
    """Whether class ids fit into 16 bits, and the sort keys of the classes into 32."""
    classes = len(images_of_class)
    return classes < 2**16 and classes * (int(images_of_class.max()) + 1) < 2**31


def rounded_mean_cosines(right, wrong, first_word, top_classes, cosines):
    """Mean cosine similarity among the classes that hold most flips, for all pairs of a student and a teacher.

    Args:
        right: uint64 [teachers, words] of `flip_kernels.pack_by_class`.
        wrong: uint64 [students, words] of `flip_kernels.pack_by_class`.
        first_word: int64 [classes + 1].
        top_classes: int32 [students, teachers, thresholds] of `flip_kernels.count_flips`, rising with the threshold.
        cosines: of `round_cosines`; fastest are those of the classes with most errors first.

    Returns:
        float32 [students, teachers, thresholds] as of `similarity_kernels.similarity_of_top_classes`.
    """
    sums = sum_cosines(right, wrong, first_word, top_classes, *cosines)
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
        (order, rounded, exact, step): uint32 [classes]; int16 [classes, padded classes], the cosine with each class before in the
        new order, in steps; float32 [classes, classes]; and the step.
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
    padded = np.zeros((classes, -(-classes // VECTOR) * VECTOR), np.int16)
    padded[:, :classes] = np.tril(rounded[np.ix_(order, order)], -1)
    # an index that cannot be negative needs no test
    return order.astype(np.uint32), padded, exact[np.ix_(order, order)].astype(np.float32), step


@njit(parallel=True, cache=True)
def sum_cosines(right, wrong, first_word, top_classes, order, rounded, exact, step):
    """Sum of the cosines of all pairs of different classes among the classes that hold most flips.

    Args:
        right: as in `rounded_mean_cosines`.
        wrong: as in `rounded_mean_cosines`.
        first_word: as in `rounded_mean_cosines`.
        top_classes: as in `rounded_mean_cosines`.
        order: of `round_cosines`.
        rounded: of `round_cosines`.
        exact: of `round_cosines`.
        step: of `round_cosines`.

    Returns:
        float64 [students, teachers, thresholds]; the classes are the first ones in the order of falling flips, then class id.
    """
    teachers, thresholds, classes = len(right), top_classes.shape[2], len(first_word) - 1
    largest = WORD * np.max(np.diff(first_word))  # class, in images
    sums = np.zeros(top_classes.shape)
    one_word = is_one_word(first_word)
    for student in prange(len(wrong)):
        in_class, histogram = np.empty(classes, np.int32), np.zeros(largest + 1, np.int32)
        chosen = np.zeros((TEACHERS, thresholds, classes + 1), np.uint16)
        masks = np.zeros((TEACHERS, thresholds, rounded.shape[1]), np.int16)
        for first in range(0, teachers, TEACHERS):
            last = min(first + TEACHERS, teachers)
            sizes, totals = top_classes[student, first:last], sums[student, first:last]
            for teacher in range(last - first):
                flips_by_class(wrong[student], right[first + teacher], first_word, one_word, in_class)
                _choose_classes(in_class, sizes[teacher], order, histogram, chosen[teacher], masks[teacher])
                _sum_few(chosen[teacher], sizes[teacher], exact, totals[teacher])
            _sum_many(chosen, masks, sizes, rounded, step, totals)
    return sums


@njit
def _choose_classes(in_class, sizes, order, histogram, chosen, masks):
    """Places and masks of the first classes in the order of falling flips, then class id.

    Both are one falling order of keys: flips x classes - class id. Each set is part of the next larger one.
    """
    classes, largest = len(order), len(sizes) - 1
    keys, lowest = np.empty(classes, np.int32), np.empty(len(sizes), np.int32)
    for place in range(classes):
        keys[place] = in_class[order[place]] * np.int32(classes) - np.int32(order[place])
    _find_lowest_keys(in_class, sizes, histogram, lowest)
    taken = np.uint64(0)
    for place in range(classes):
        chosen[largest, taken] = place
        taken += np.uint64(keys[place] >= lowest[largest])
    for threshold in range(largest - 1, -1, -1):
        taken = np.uint64(0)
        for candidate in range(np.uint64(sizes[threshold + 1])):
            place = chosen[threshold + 1, candidate]
            chosen[threshold, taken] = place
            taken += np.uint64(keys[place] >= lowest[threshold])
    for threshold in range(len(sizes)):
        if sizes[threshold] > FEW:
            mask = masks[threshold]
            for place in range(classes):
                mask[place] = -np.int16(keys[place] >= lowest[threshold])


@njit
def _find_lowest_keys(in_class, sizes, histogram, lowest):
    """Key of the last of the first `size` classes, for every size."""
    most = 0
    for k in in_class:
        histogram[k] += 1
        most = max(most, k)
    flips, before = most, 0
    for threshold in range(len(sizes)):
        while flips > 0 and before + histogram[flips] < sizes[threshold]:
            before += histogram[flips]
            flips -= 1
        last_class = _find_class(in_class, flips, sizes[threshold] - before)
        lowest[threshold] = flips * len(in_class) - last_class
    histogram[: most + 1] = 0


@njit
def _find_class(in_class, flips, place):
    """Id of the class that comes `place`-th among those with so many flips; blocks are counted at once."""
    start, found = 0, 0
    while start + VECTOR <= len(in_class):
        there = np.int32(0)
        for c in range(start, start + VECTOR):
            there = np.int32(there + np.int32(in_class[c] == flips))
        if found + there >= place:
            break
        found, start = found + there, start + VECTOR
    c = start - 1
    while found < place:
        c += 1
        found += in_class[c] == flips
    return c


@njit
def _sum_few(chosen, sizes, exact, totals):
    for threshold in range(len(sizes)):
        if sizes[threshold] <= FEW:
            for second in range(sizes[threshold]):
                for first in range(second):
                    totals[threshold] += exact[chosen[threshold, second], chosen[threshold, first]]


@njit
def _sum_many(chosen, masks, sizes, rounded, step, totals):
    """Blocks of rows, which stay in the cache, for all teachers; four rows that count at a time."""
    teachers, thresholds, classes = len(sizes), sizes.shape[1], len(rounded)
    done = np.zeros((teachers, thresholds), np.int64)
    steps = np.zeros((teachers, thresholds), np.int64)
    for end in range(ROWS, classes + ROWS, ROWS):
        for teacher in range(teachers):
            for threshold in range(thresholds):
                size, row = sizes[teacher, threshold], done[teacher, threshold]
                if size <= FEW:
                    continue
                rows, mask = chosen[teacher, threshold], masks[teacher, threshold]
                while row + 4 <= size and rows[row + 3] < end:
                    steps[teacher, threshold] += _sum_rows(rounded, rows[row : row + 4], mask)
                    row += 4
                done[teacher, threshold] = row
    for teacher in range(teachers):
        for threshold in range(thresholds):
            if sizes[teacher, threshold] > FEW:
                rows, mask = chosen[teacher, threshold], masks[teacher, threshold]
                for row in range(done[teacher, threshold], sizes[teacher, threshold]):
                    steps[teacher, threshold] += _sum_row(rounded, rows[row], mask)
                totals[teacher, threshold] = steps[teacher, threshold] * step


@njit
def _sum_rows(rounded, rows, mask):
    """Sum of the entries of four rows of a triangular matrix where the mask is set; the last row is the longest."""
    a, b, c, d = rows[0], rows[1], rows[2], rows[3]
    total = np.int64(0)
    for first in range(np.uint64(0), np.uint64(d), np.uint64(COLUMNS)):
        one, other = np.int16(0), np.int16(0)
        for column in range(first, min(first + np.uint64(COLUMNS), _end_of(d))):
            keep = mask[column]
            one = np.int16(one + np.int16(np.int16(rounded[a, column] + rounded[b, column]) & keep))
            other = np.int16(other + np.int16(np.int16(rounded[c, column] + rounded[d, column]) & keep))
        total += np.int64(one) + np.int64(other)
    return total


@njit
def _sum_row(rounded, row, mask):
    total = np.int64(0)
    for column in range(_end_of(row)):
        total += rounded[row, column] & mask[column]
    return total


@njit
def _end_of(row):
    """Columns before the row, in whole vectors."""
    return (np.uint64(row) + np.uint64(VECTOR - 1)) // np.uint64(VECTOR) * np.uint64(VECTOR)
