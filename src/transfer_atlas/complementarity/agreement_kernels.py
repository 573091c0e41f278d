"""Compiled loops over all pairs of models, image by image; arguments and results are plain arrays.

All counts are integers, so they do not depend on the number of threads, nor on how the models are cut into sets.
"""

import numpy as np
from numba import njit, prange

from transfer_atlas.complementarity.bits import popcount

TILE = 32  # models a side: two tiles of CHUNK images stay in the L2 cache
CHUNK = 2048
COLUMNS = 16  # images whose confidences are ranked together: as float32 they fill a cache line
DIGIT = 11  # bits that confidences are sorted by at a time
BINS = 1 << DIGIT


@njit(cache=True)
def _tiles(models, others, one_set):
    """Where pairs of tiles begin, int64 [tile pairs, 2]; of one set those on and above the diagonal."""
    starts = [(i, j) for i in range(0, models, TILE) for j in range(i if one_set else 0, others, TILE)]
    return np.array(starts, np.int64)


@njit(parallel=True, cache=True)
def count_common(first, second):
    """Bits that are set in a row of both: int32 [models, others] of uint64 [models, words] and [others, words]."""
    models, words = first.shape
    common = np.empty((models, len(second)), np.int32)
    for i in prange(models):
        for j in range(len(second)):
            count = 0
            for word in range(words):
                count += popcount(first[i, word] & second[j, word])
            common[i, j] = count
    return common


@njit(parallel=True, cache=True)
def count_agreement(predictions, other_predictions, signed, other_signed, one_set):
    """Images on which two models predict the same, and by how many the more confident one is more often right than wrong.

    Args:
        predictions: int [models, images]; with 16 bits a processor compares 16 or 32 at a time.
        other_predictions: the same of the models that they are paired with.
        signed: int [models, images] of `rank_confidences`: the sum of two has the sign of the more confident one.
        other_signed: the same of the models that they are paired with.
        one_set: whether both are the same models, so that each pair is counted once.

    Returns:
        (same, signs): int32 [models, others] twice; images less twice those that the more confident one gets wrong, where
        images on which equal confidences disagree count 0.
    """
    models, others, images = len(predictions), len(other_predictions), predictions.shape[1]
    same, signs = np.zeros((models, others), np.int32), np.zeros((models, others), np.int32)
    tiles = _tiles(models, others, one_set)
    for tile in prange(len(tiles)):
        first, second = tiles[tile, 0], tiles[tile, 1]
        for start in range(0, images, CHUNK):
            stop = start + CHUNK
            for i in range(first, min(first + TILE, models)):
                for j in range(max(i, second) if one_set else second, min(second + TILE, others)):
                    same[i, j] += _count_equal(predictions[i, start:stop], other_predictions[j, start:stop])
                    signs[i, j] += _sum_signs(signed[i, start:stop], other_signed[j, start:stop])
                    if one_set:
                        same[j, i], signs[j, i] = same[i, j], signs[i, j]
    return same, signs


@njit(inline="always")
def _count_equal(a, b):
    count = np.int16(0)  # at most CHUNK
    for image in range(len(a)):
        count = np.int16(count + np.int16(a[image] == b[image]))
    return count


@njit(inline="always")
def _sum_signs(a, b):
    count = np.int16(0)
    for image in range(len(a)):
        total = a.dtype.type(a[image] + b[image])  # a sum of 64 bits would be several times slower
        count = np.int16(count + np.int16(np.int16(total > 0) - np.int16(total < 0)))
    return count


@njit(parallel=True, cache=True)
def rank_confidences(confidences, correct, ranks):
    """Replace the confidences of each image by their ranks, with a sign: integers of 16 bits are counted faster than floats.

    Args:
        confidences: float32 [models, images], not negative.
        correct: bool [models, images].
        ranks: int [models, images], written: ranks among the models from 1, equal ones for equal confidences; negative where
            the model is wrong.
    """
    models, images = confidences.shape
    for block in prange(-(-images // COLUMNS)):
        first = block * COLUMNS
        last = min(first + COLUMNS, images)
        keys, signed = np.empty((COLUMNS, models), np.float32), np.empty((COLUMNS, models), ranks.dtype)
        order, other, starts = np.empty(models, np.int32), np.empty(models, np.int32), np.empty(BINS, np.int32)
        for model in range(models):
            for image in range(first, last):
                keys[image - first, model] = confidences[model, image]
        for column in range(last - first):
            _sort(keys[column].view(np.uint32), order, other, starts)
            _write_ranks(keys[column], order, signed[column])
        for model in range(models):
            for image in range(first, last):
                rank = signed[image - first, model]
                ranks[model, image] = rank if correct[model, image] else -rank


@njit
def _sort(keys, order, other, starts):
    """Order of rising keys, by one digit after the other, the last one first."""
    for place in range(len(keys)):
        order[place] = place
    for shift in range(0, 32, DIGIT):
        starts[:] = 0
        for key in keys:
            starts[(key >> np.uint32(shift)) & np.uint32(BINS - 1)] += 1
        before = 0
        for digit in range(BINS):
            starts[digit], before = before, before + starts[digit]
        for place in order:
            digit = (keys[place] >> np.uint32(shift)) & np.uint32(BINS - 1)
            other[starts[digit]] = place
            starts[digit] += 1
        order[:] = other


@njit
def _write_ranks(keys, order, ranks):
    rank = 0
    for place in range(len(order)):
        rank += place == 0 or keys[order[place]] != keys[order[place - 1]]
        ranks[order[place]] = rank
