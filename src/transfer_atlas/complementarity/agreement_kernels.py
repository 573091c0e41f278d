"""Compiled loops over all pairs of models, image by image; arguments and results are plain arrays.

All counts are integers, so they do not depend on the number of threads, nor on how the models are cut into sets.
"""

import numpy as np
from llvmlite import ir
from numba import njit, prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from transfer_atlas.complementarity.bits import popcount
from transfer_atlas.complementarity.vectors import (
    INT,
    LINE,
    LONG,
    aligned_zeros,
    load,
    make_array,
    row_pointer,
    sum_of,
    variable,
)

TILE = 64  # models a side: CHUNK images of two tiles stay in the L2 cache
CHUNK = 1024
ROWS_AT_ONCE = 4  # models that share what is read of another one
COLUMNS = 16  # images whose confidences are ranked together: as float32 they fill a cache line


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
    models, others = len(predictions), len(other_predictions)
    same, signs = np.empty((models, others), np.int32), np.empty((models, others), np.int32)
    tiles = _tiles(models, others, one_set)
    for tile in prange(len(tiles)):
        _count_tile(predictions, other_predictions, signed, other_signed, tiles[tile], one_set, same, signs)
    return same, signs


@njit
def _count_tile(predictions, other_predictions, signed, other_signed, tile, one_set, same, signs):
    """Count the pairs of one tile, and where it is of one set their other order too."""
    rows = slice(tile[0], min(tile[0] + TILE, len(predictions)))
    columns = slice(tile[1], min(tile[1] + TILE, len(other_predictions)))
    equal, more = np.zeros((TILE, TILE), np.int32), np.zeros((TILE, TILE), np.int32)
    a, b = aligned_zeros(TILE, CHUNK, predictions.dtype), aligned_zeros(TILE, CHUNK, predictions.dtype)
    c, d = aligned_zeros(TILE, CHUNK, signed.dtype), aligned_zeros(TILE, CHUNK, signed.dtype)
    images = predictions.shape[1]
    for start in range(0, images, CHUNK):
        stop = min(start + CHUNK, images)
        _copy(predictions[rows], start, stop, a, 0)
        _copy(other_predictions[columns], start, stop, b, -1)  # no class
        _copy(signed[rows], start, stop, c, 0)
        _copy(other_signed[columns], start, stop, d, 0)
        for i in range(0, rows.stop - rows.start, ROWS_AT_ONCE):
            for j in range(columns.stop - columns.start):
                _add_equal(a, np.uint64(i), b, np.uint64(j), equal)
                _add_signs(c, np.uint64(i), d, np.uint64(j), more)
    for i in range(rows.start, rows.stop):
        for j in range(columns.start, columns.stop):
            same[i, j], signs[i, j] = equal[i - rows.start, j - columns.start], more[i - rows.start, j - columns.start]
            if one_set:
                same[j, i], signs[j, i] = same[i, j], signs[i, j]


@njit
def _copy(rows, start, stop, buffer, rest):
    """Copy some columns of rows to the beginning of a buffer's rows, and fill what is left of these with a number."""
    images, width = np.uint64(stop - start), np.uint64(buffer.shape[1])
    for i in range(len(rows)):
        row, copied = rows[i, start:stop], buffer[i]
        for image in range(images):
            copied[image] = row[image]
        for image in range(images, width):
            copied[image] = rest


def _adding(add):
    """A function for compiled code that compares ROWS_AT_ONCE rows of a buffer with one row of another buffer.

    The function takes (buffer, i, other, j, counts) and adds to counts[i : i + ROWS_AT_ONCE, j]; whole lines of the cache at a time, of which
    the compiler by itself takes half.

    Args:
        add: function of (builder, counts, a, b) that gives the code for new counts of two vectors.
    """

    def generate(context, builder, signature, arguments):
        buffer, other, counts = (make_array(context, builder, signature, arguments, place) for place in (0, 2, 4))
        kind = ir.IntType(signature.args[0].dtype.bitwidth)
        vector = ir.VectorType(kind, 8 * LINE // kind.width)
        rows = [builder.add(arguments[1], ir.Constant(LONG, number)) for number in range(ROWS_AT_ONCE)]
        pointers = [row_pointer(builder, buffer, row, vector) for row in rows]
        other_pointer = row_pointer(builder, other, arguments[3], vector)
        found = [variable(builder, ir.Constant(vector, None)) for _ in rows]
        vectors = builder.udiv(builder.extract_value(other.shape, 1), ir.Constant(LONG, vector.count))
        with cgutils.for_range(builder, vectors, intp=LONG) as loop:
            of_other = load(builder, other_pointer, loop.index)
            for pointer, count in zip(pointers, found, strict=True):
                values = load(builder, pointer, loop.index)
                builder.store(add(builder, builder.load(count), values, of_other), count)
        for row, count in zip(rows, found, strict=True):
            place = builder.gep(row_pointer(builder, counts, row, INT), [arguments[3]])
            total = sum_of(builder, builder.load(count))
            change = builder.sext if kind.width < INT.width else builder.trunc
            builder.store(builder.add(builder.load(place), change(total, INT)), place)
        return context.get_dummy_value()

    @intrinsic
    def compare_rows(typing_context, buffer, i, other, j, counts):
        return types.void(buffer, types.uint64, other, types.uint64, counts), generate

    return compare_rows


def _code_for_equal(builder, counts, a, b):
    return builder.sub(counts, builder.sext(builder.icmp_signed("==", a, b), a.type))


def _code_for_signs(builder, counts, a, b):
    total, zero = builder.add(a, b), ir.Constant(a.type, None)
    counts = builder.sub(counts, builder.sext(builder.icmp_signed(">", total, zero), a.type))
    return builder.add(counts, builder.sext(builder.icmp_signed("<", total, zero), a.type))


_add_equal, _add_signs = _adding(_code_for_equal), _adding(_code_for_signs)


@njit(parallel=True, cache=True)
def confidence_keys(bits, known):
    """Numbers whose order is that of the confidences of an image.

    Args:
        bits: uint32 [models, images], those of confidences as float32, which rise with them: they are not negative.
        known: bool [models], whose confidences are known; the others count as 0.

    Returns:
        uint64 [images, models]: the bits of the confidence, and below them the number of the model.
    """
    models, images = bits.shape
    keys = np.empty((images, models), np.uint64)
    for block in prange(-(-images // COLUMNS)):
        first = block * COLUMNS
        for model in range(models):
            confidence = np.uint64(0)
            for image in range(first, min(first + COLUMNS, images)):
                if known[model]:
                    confidence = np.uint64(bits[model, image]) << np.uint64(32)
                keys[image, model] = confidence | np.uint64(model)
    return keys


@njit(parallel=True, cache=True)
def rank_confidences(keys, predictions, labels, ranks):
    """Replace the confidences of each image by their ranks, with a sign: integers of 16 bits are counted faster than floats.

    Args:
        keys: uint64 [images, models] of `confidence_keys`, those of each image sorted.
        predictions: int [models, images].
        labels: int [images].
        ranks: int [models, images], written: ranks among the models from 1, equal ones for equal confidences; negative where
            the model is wrong.
    """
    images, models = keys.shape
    for block in prange(-(-images // COLUMNS)):
        first, last = block * COLUMNS, min((block + 1) * COLUMNS, images)
        of_model = np.empty((models, COLUMNS), ranks.dtype)
        for image in range(first, last):
            rank, before = 0, np.uint64(2**63)  # no confidence
            for key in keys[image]:
                confidence = key >> np.uint64(32)
                rank += confidence != before
                before = confidence
                of_model[key & np.uint64(2**32 - 1), image - first] = rank
        for model in range(models):
            for image in range(first, last):
                rank = of_model[model, image - first]
                ranks[model, image] = rank if predictions[model, image] == labels[image] else -rank
