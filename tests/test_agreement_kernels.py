"""Equal predictions and the more confident choice of all pairs, against NumPy."""

import numpy as np
import pytest

from transfer_atlas.complementarity.agreement_kernels import CHUNK, TILE, count_agreement


def by_numpy(predictions, others, signed, other_signed):
    same = (predictions[:, None] == others).sum(axis=2)
    return same, np.sign(signed[:, None].astype(int) + other_signed).sum(axis=2)


@pytest.mark.parametrize("kinds", [("int16", "int16"), ("int32", "int16"), ("int64", "int32")])
@pytest.mark.parametrize(
    ("models", "images"), [(1, 1), (2, CHUNK - 1), (5, CHUNK), (TILE, CHUNK + 1), (TILE + 3, 3 * CHUNK)]
)
def test_counts_are_those_of_numpy(models, images, kinds):
    generator = np.random.default_rng(0)
    # classes from 0, so that what pads a row would show as equal predictions
    predictions, others = (generator.integers(0, 3, (rows, images)).astype(kinds[0]) for rows in (models, 6))
    signed, other_signed = (generator.integers(-3, 4, (rows, images)).astype(kinds[1]) for rows in (models, 6))
    for first, second in ((predictions, others), (predictions, predictions)):
        sign, second_sign = signed, signed if second is predictions else other_signed
        found = count_agreement(first, second, sign, second_sign, second is predictions)
        for counted, expected in zip(found, by_numpy(first, second, sign, second_sign), strict=True):
            np.testing.assert_array_equal(counted, expected)
