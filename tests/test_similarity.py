"""Similarity of the top classes from rounded cosines, against the exact sums of embeddings."""

import numba
import numpy as np
import pytest

from transfer_atlas.complementarity import flip_kernels, similarity_kernels
from transfer_atlas.complementarity.classes import mean_cosine, unit_rows
from transfer_atlas.complementarity.masked_sums import summing_rows, supported_ways
from transfer_atlas.complementarity.rounded_similarity import (
    FEW,
    can_be_rounded,
    round_cosines,
    rounded_mean_cosines,
    sum_cosines,
)
from transfer_atlas.statistics import TOP_PERCENTS

CLASSES = 1100  # more than the columns for which the sum of a row is limited


@pytest.fixture(scope="module")
def zoo():
    """Packed correctness of 20 models on classes of 0 to 65 images, and embeddings as concentrated as mean softmaxes are."""
    generator = np.random.default_rng(0)
    sizes = generator.choice([0, 1, 2, 20, 64, 65], CLASSES, p=[0.02, 0.05, 0.13, 0.7, 0.05, 0.05])
    labels = generator.permutation(np.repeat(np.arange(CLASSES), sizes))
    difficulty = generator.normal(size=CLASSES)[labels]
    correct = generator.normal(size=(20, len(labels))) + generator.normal(1, 0.5, 20)[:, None] > difficulty
    correct[3] = True  # nobody gains from it, it gains from nobody
    packed = flip_kernels.pack_by_class(correct, labels, CLASSES)
    largest = np.arange(sizes.max() + 1)
    counted = flip_kernels.count_flips(*packed, largest * np.log(np.maximum(largest, 1)), np.array(TOP_PERCENTS))
    confusions = generator.gamma(0.02, size=(CLASSES, CLASSES)) + 10 * np.eye(CLASSES) + 1e-3
    order = np.argsort(np.bincount(labels, weights=correct.mean(axis=0), minlength=CLASSES), kind="stable")
    return packed, counted[2:], unit_rows(confusions), order


def test_rounding_changes_a_similarity_by_less_than_a_hundredth_of_the_mean_cosine(zoo):
    packed, (top_classes, last_classes), unit, order = zoo
    rounded = rounded_mean_cosines(*packed, top_classes, last_classes, round_cosines(unit, order))
    exact = similarity_kernels.similarity_of_top_classes(
        *packed, top_classes, similarity_kernels.block_embeddings(unit)
    )
    assert np.isnan(rounded).tolist() == np.isnan(exact).tolist()
    few = (top_classes > 1) & (top_classes <= FEW)
    many = top_classes > FEW
    assert few.any() and many.any(axis=(0, 1)).sum() > 1
    np.testing.assert_allclose(rounded[few], exact[few], rtol=1e-4, atol=1e-7)
    error = np.abs(rounded[many] - exact[many]) / mean_cosine(unit)
    assert error.max() < 0.01
    assert np.mean(rounded[many] - exact[many]) / mean_cosine(unit) == pytest.approx(0, abs=5e-4)


def test_sums_are_those_of_the_rounded_cosines_of_all_pairs_of_the_top_classes(zoo):
    (right, wrong, first_word), (top_classes, last_classes), unit, order = zoo
    cosines = order, rounded, _, step = round_cosines(unit, order)
    sums = sum_cosines(right, wrong, first_word, top_classes, last_classes, *cosines)
    flips = np.empty(CLASSES, np.int64)
    for student, teacher in ((0, 1), (5, 9), (9, 5), (19, 3)):
        flip_kernels.flips_by_class(wrong[student], right[teacher], first_word, False, flips)
        ranks = np.argsort(np.argsort(-flips, kind="stable"))
        for threshold, size in enumerate(top_classes[student, teacher]):
            places = np.flatnonzero(ranks[order] < size)
            last = np.argsort(ranks)[size - 1]
            place = (flips[: last + 1] == flips[last]).sum()
            assert last_classes[student, teacher, threshold].tolist() == [flips[last], place]
            if size > FEW:
                whole = rounded[np.ix_(places, places)].sum(dtype=np.int64)
                assert sums[student, teacher, threshold] == whole * step


def test_equal_to_the_bit_for_any_number_of_threads_and_of_other_models(zoo):
    (right, wrong, first_word), counted, unit, order = zoo
    cosines = round_cosines(unit, order)
    whole = rounded_mean_cosines(right, wrong, first_word, *counted, cosines)
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        alone = rounded_mean_cosines(right, wrong, first_word, *counted, cosines)
    finally:
        numba.set_num_threads(threads)
    np.testing.assert_array_equal(alone, whole)
    some = [1, 5, 19]
    of_some = [np.ascontiguousarray(of_all[np.ix_(some, some)]) for of_all in counted]
    part = rounded_mean_cosines(right[some], wrong[some], first_word, *of_some, cosines)
    np.testing.assert_array_equal(part, whole[np.ix_(some, some)])


@pytest.mark.parametrize("way", supported_ways())
def test_every_way_of_the_processor_sums_the_same(way):
    sum_rows = summing_rows(way)

    @numba.njit
    def sum_twice(matrix, first, rows, blocks, mask):
        """The second sum does not begin with what the first one left."""
        return sum_rows(matrix, first, rows, blocks, mask), sum_rows(matrix, first, rows, blocks, mask)

    generator = np.random.default_rng(0)
    matrix = generator.integers(-300, 3000, (129, 192), dtype=np.int16)
    matrix[-1] = 0
    mask = generator.integers(0, 2, 192, dtype=np.int16)
    for rows in ([], [0], [63], [1, 2, 5, 60, 61], list(range(64))):
        bits = np.uint64(sum(1 << row for row in rows))
        for first, blocks in ((0, 1), (64, 3)):
            kept = matrix[first : first + 64][rows, : 64 * blocks] * mask[: 64 * blocks].astype(int)
            assert sum_twice(matrix, np.uint64(first), bits, np.uint64(blocks), mask) == (kept.sum(), kept.sum())


@pytest.mark.parametrize(("classes", "images", "fits"), [(1000, 50, True), (70_000, 5, False), (20_000, 70_000, False)])
def test_ids_and_flips_that_do_not_fit_are_not_rounded(classes, images, fits):
    assert can_be_rounded(np.full(classes, images)) is fits


def test_no_sum_of_a_row_exceeds_its_limit():
    unit = np.ones((2500, 1), np.float32)  # every cosine is 1
    _, rounded, _, step = round_cosines(unit, np.arange(2500))
    for first in range(0, 2500, 1024):
        assert np.abs(rounded[:, first : first + 1024].astype(int)).sum(axis=1).max() * 2 < 2**15
    assert rounded[2499, :2499].mean() * step == pytest.approx(1, rel=0.01)
