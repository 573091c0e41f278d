"""What both orders of a pair share: counts of images, and p values; tile by tile, so that memory does not grow with the zoo."""

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from scipy.special import stdtr

from transfer_atlas.complementarity import agreement_kernels
from transfer_atlas.complementarity.packed_zoo import parts_of
from transfer_atlas.statistics import FalseDiscoveryRates, mcnemar_p

ROWS = 256  # models that are read at once
TILE_MODELS = 4 * ROWS  # on each side of a tile
IMAGES = 2048  # whose confidences are ranked at once
TILE = np.dtype(
    [
        ("both_right", "<i4"),
        ("same", "<i4"),
        ("signs", "<i4"),
        ("expected", "<f8"),
        ("expected_error", "<f8"),
        ("difference_p", "<f8"),
        ("expected_p", "<f8"),
    ]
)
OF_TWO_MODELS = ("expected", "expected_error", "difference_p", "expected_p")  # NaN for a model with itself


class SymmetricCounts:
    """Counts that both orders of a pair share, for all pairs.

    Attributes:
        difference_q: FalseDiscoveryRates of equal accuracies.
        expected_q: FalseDiscoveryRates of the difficulty null.
    """

    def __init__(self, zoo, null, predicted, tiles, signed):
        """Count all pairs.

        Args:
            zoo: PackedZoo.
            null: nulls.DifficultyNull.
            predicted: ZooPredictions.
            tiles: a dict, or `parts.TileFiles`, from places of two parts of the models to an array; what it has is not counted
                again.
            signed: of `sign_confidences`.
        """
        self._blocks = {}
        self._tiles, self._parts, models = tiles, parts_of(len(zoo.models), TILE_MODELS), len(zoo.models)
        self.difference_q, self.expected_q = (FalseDiscoveryRates(models * (models - 1) // 2) for _ in range(2))
        with ThreadPoolExecutor(1) as thread:  # the p values of one tile are added while the next one is counted
            added = []
            for j, others in enumerate(self._parts):
                column = _rows_of(zoo, predicted, signed, others)
                for i, rows in enumerate(self._parts[: j + 1]):
                    if (i, j) not in tiles:
                        row = column if i == j else _rows_of(zoo, predicted, signed, rows)
                        tiles[i, j] = _count_tile(zoo, null, row, column, rows, others)
                    added.append(thread.submit(self._add_p_values, tiles[i, j], i == j))
        for addition in added:
            addition.result()

    def _add_p_values(self, tile, one_set):
        for rates, name in ((self.difference_q, "difference_p"), (self.expected_q, "expected_p")):
            rates.add(tile[name][np.triu_indices(len(tile), 1)] if one_set else tile[name])

    def rows(self, first, last):
        """Array of type TILE, [last - first, models]: pairs of models `first` to `last - 1` with all models.

        `expected` are the flips of the earlier model as the student and the later one as the teacher, as share of the images.
        `signs` are of `agreement_kernels.count_agreement`. The rest is as in `counts.PairCounts`.
        """
        blocks = range(first // ROWS, (last - 1) // ROWS + 1)
        found = [self._block(block)[max(0, first - block * ROWS) : last - block * ROWS] for block in blocks]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _block(self, block):
        """ROWS models with all models; the last ones that were asked for are kept, for tiles may be files."""
        if block not in self._blocks:
            self._blocks.clear()
            self._blocks[block] = self._assemble(block * ROWS, min((block + 1) * ROWS, self._parts[-1].stop))
        return self._blocks[block]

    def _assemble(self, first, last):
        found = np.empty((last - first, self._parts[-1].stop), TILE)
        i, rows = next((i, rows) for i, rows in enumerate(self._parts) if first < rows.stop)
        for j, others in enumerate(self._parts):
            tile = self._tiles[i, j] if i <= j else self._tiles[j, i].T
            found[:, others] = tile[first - rows.start : last - rows.start]
        return found


def _rows_of(zoo, predicted, signed, rows):
    return zoo.right_bits[rows], predicted.prediction[rows], signed[rows]


def _count_tile(zoo, null, row, column, rows, others):
    one_set = rows == others
    tile = np.empty((len(row[0]), len(column[0])), TILE)
    tile["both_right"] = agreement_kernels.count_common(row[0], column[0])
    tile["same"], tile["signs"] = agreement_kernels.count_agreement(row[1], column[1], row[2], column[2], one_set)
    tile["expected"], tile["expected_error"] = null.expect(rows, others)
    with ThreadPoolExecutor(numba.get_num_threads()) as pool:
        list(
            pool.map(
                lambda part: _judge(tile[part], zoo, null, zoo.right[rows][part, None], zoo.right[others]),
                parts_of(len(tile), 64),
            )
        )
    if one_set:
        lower = np.tril_indices(len(tile), -1)
        tile[lower] = tile.T[lower]
        for name in OF_TWO_MODELS:
            np.fill_diagonal(tile[name], np.nan)
    return tile


def _judge(tile, zoo, null, right, other_right):
    """Fill in the p values of equal accuracies, and of flips that are as expected."""
    positive, negative = (other_right - tile["both_right"]) / zoo.images, (right - tile["both_right"]) / zoo.images
    tile["difference_p"] = mcnemar_p(positive, negative, zoo.images)
    with np.errstate(invalid="ignore", divide="ignore"):
        tile["expected_p"] = 2 * stdtr(null.freedom, -np.abs(positive - tile["expected"]) / tile["expected_error"])


def sign_confidences(predicted, new_array=np.empty):
    """Confidences as `agreement_kernels.count_agreement` takes them, signed.

    Args:
        predicted: ZooPredictions.
        new_array: function of a shape and a type that makes the array.

    Returns:
        (signed, known): int [models, images], and bool [models] whose confidences are known.
    """
    models, images = predicted.confidence.shape
    known = np.concatenate([~np.isnan(predicted.confidence[part]).any(axis=1) for part in parts_of(models)])
    signed = new_array((models, images), np.int16 if models < 2**14 else np.int32)
    with ThreadPoolExecutor(numba.get_num_threads()) as pool:
        for part in parts_of(images, IMAGES):
            keys = agreement_kernels.confidence_keys(predicted.confidence[:, part].view(np.uint32), known)
            _sort_rows(keys, pool)
            ranks = np.empty(keys.shape[::-1], signed.dtype)
            agreement_kernels.rank_confidences(keys, predicted.prediction[:, part], predicted.labels[part], ranks)
            signed[:, part] = ranks
    return signed, known


def _sort_rows(array, pool):
    """Sort each row of an array in place, on all threads of a pool."""
    list(pool.map(lambda rows: array[rows].sort(axis=1), parts_of(len(array))))
