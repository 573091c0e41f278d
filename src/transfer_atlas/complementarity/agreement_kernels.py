"""Compiled loops over all pairs of models, image by image; arguments and results are plain arrays."""

import numpy as np
from numba import njit, prange

from transfer_atlas.complementarity.bits import popcount

TILE = 16  # models a side: two tiles of float32 confidences of CHUNK images stay in the L2 cache
CHUNK = 4096


@njit(cache=True)
def _tiles(models):
    """Pairs of tiles on and above the diagonal, int64 [tile pairs, 2]."""
    count = (models + TILE - 1) // TILE
    tiles = np.empty((count * (count + 1) // 2, 2), np.int64)
    filled = 0
    for first in range(count):
        for second in range(first, count):
            tiles[filled, 0], tiles[filled, 1] = first * TILE, second * TILE
            filled += 1
    return tiles


@njit(parallel=True, cache=True)
def count_common(first, second):
    """Bits that are set in a row of the first and a row of the second: int32 [models, models] of uint64 [models, words]."""
    models, words = first.shape
    common = np.empty((models, models), np.int32)
    for i in prange(models):
        for j in range(models):
            count = 0
            for word in range(words):
                count += popcount(first[i, word] & second[j, word])
            common[i, j] = count
    return common


@njit(parallel=True, cache=True)
def count_same(predictions):
    """Images on which two models predict the same class, for all pairs.

    Args:
        predictions: int [models, images]; with 16 bits a processor compares 16 or 32 at a time.

    Returns:
        int32 [models, models], symmetric.
    """
    models, images = predictions.shape
    same = np.zeros((models, models), np.int32)
    tiles = _tiles(models)
    for tile in prange(len(tiles)):
        for start in range(0, images, CHUNK):
            stop = min(start + CHUNK, images)
            for i in range(tiles[tile, 0], min(tiles[tile, 0] + TILE, models)):
                for j in range(max(i, tiles[tile, 1]), min(tiles[tile, 1] + TILE, models)):
                    a, b = predictions[i, start:stop], predictions[j, start:stop]
                    count = np.int16(0)  # at most CHUNK
                    for image in range(stop - start):
                        count = np.int16(count + np.int16(a[image] == b[image]))
                    same[i, j] += count
                    if i != j:
                        same[j, i] += count
    return same


@njit(parallel=True, cache=True, fastmath={"reassoc"})
def count_confident_choice(signed):
    """Number of images that the more confident of two models predicts correctly, for all pairs.

    Args:
        signed: float32 [models, images], the confidence where the model is right and minus the confidence where
            it is wrong: the sum of two has the sign of the more confident one.

    Returns:
        float64 [models, models], symmetric; images on which equal confidences disagree count one half.
    """
    models, images = signed.shape
    chosen = np.zeros((models, models), np.float64)
    tiles = _tiles(models)
    half = np.float32(0.5)
    for tile in prange(len(tiles)):
        for start in range(0, images, CHUNK):
            stop = min(start + CHUNK, images)
            for i in range(tiles[tile, 0], min(tiles[tile, 0] + TILE, models)):
                for j in range(max(i, tiles[tile, 1]), min(tiles[tile, 1] + TILE, models)):
                    a, b = signed[i, start:stop], signed[j, start:stop]
                    count = np.float32(0)  # exact: halves of at most CHUNK images
                    for image in range(stop - start):
                        total = a[image] + b[image]
                        count += (half if total > 0 else np.float32(0)) + (half if total >= 0 else np.float32(0))
                    chosen[i, j] += count
                    if i != j:
                        chosen[j, i] += count
    return chosen
