"""All pairs, part by part: the same to the bit however the zoo is cut."""

import numba
import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control, rankdata

from transfer_atlas.complementarity import counts, symmetric_counts
from transfer_atlas.complementarity.counts import PairCounter
from transfer_atlas.complementarity.pair_table import tabulate_chunks
from transfer_atlas.logits.zoo_predictions import ZooPredictions
from transfer_atlas.statistics import FalseDiscoveryRates

MODELS = 53  # more than the null leaves out of its fits


@pytest.fixture(scope="module")
def zoo():
    """Predictions of models on classes of 0, 1, 64 and 65 images, two models without confidences, one that is always right."""
    generator = np.random.default_rng(0)
    labels = generator.permutation(np.repeat([0, 1, 3, 4, 5], [200, 1, 64, 65, 300]))
    difficulty = generator.normal(size=len(labels))
    right = generator.normal(size=(MODELS, len(labels))) + generator.normal(1, 0.5, MODELS)[:, None] > difficulty
    right[7] = True
    predictions = np.where(right, labels, (labels + generator.integers(1, 3, right.shape)) % 6).astype(np.int16)
    confidences = generator.choice(np.linspace(0, 1, 9, dtype=np.float32), right.shape)
    confidences[[2, 50]] = np.nan
    accepted = [[label, label + 1] if label < 3 else [] for label in labels]
    return (
        ZooPredictions([f"m{row}" for row in range(MODELS)], labels, predictions, confidences),
        generator.normal(size=(6, 9)),
        [["m3", "m9"]],
        accepted,
    )


def table_of(zoo, pairs=10**9):
    return pd.concat(tabulate_chunks(PairCounter(*zoo), pairs=pairs), ignore_index=True)


@pytest.mark.parametrize("similarity", ["exact", "rounded"])
@pytest.mark.parametrize(("tile", "pairs", "threads"), [(1, 1, 1), (16, 120, 2), (50, 400, 1), (53, 53 * 52, 2)])
def test_a_table_is_the_same_to_the_bit_however_it_is_cut(zoo, similarity, tile, pairs, threads, monkeypatch):
    if similarity == "rounded":
        monkeypatch.setattr(counts, "EXACT_UP_TO", 0)
    whole = table_of(zoo)
    monkeypatch.setattr(symmetric_counts, "MODELS", tile)
    before = numba.get_num_threads()
    numba.set_num_threads(min(threads, before))
    try:
        pd.testing.assert_frame_equal(table_of(zoo, pairs), whole, check_exact=True)
    finally:
        numba.set_num_threads(before)


def test_ranks_of_confidences_choose_as_the_confidences_do(zoo, monkeypatch):
    predicted = zoo[0]
    monkeypatch.setattr(symmetric_counts, "IMAGES", 100)
    signed, known = symmetric_counts.sign_confidences(predicted)
    assert np.flatnonzero(~known).tolist() == [2, 50]
    assert ((signed > 0) == predicted.correct).all()
    confidence = np.where(known[:, None], predicted.confidence, 0)
    np.testing.assert_array_equal(np.abs(signed), rankdata(confidence, axis=0, method="dense"))
    table = table_of(zoo).set_index(["student", "teacher"])["confidence_accuracy"]
    assert table.isna().sum() == 2 * (2 * (MODELS - 1) - 1)
    first, second = predicted.confidence[4], predicted.confidence[11]  # of which some are 0, and many equal
    weight = np.where(first == second, 0.5, first > second)
    expected = weight * predicted.correct[4] + (1 - weight) * predicted.correct[11]
    assert table["m4", "m11"] == table["m11", "m4"] == expected.mean()


def test_what_tiles_hold_is_not_counted_again(zoo):
    tiles = {}
    PairCounter(*zoo, tiles=tiles)
    tiles[0, 0] = tiles[0, 0].copy()
    tiles[0, 0]["same"] = 17
    (part,) = tabulate_chunks(PairCounter(*zoo, tiles=tiles))
    assert (part["same_prediction"] == 17 / len(zoo[0].labels)).all()


@pytest.mark.parametrize("exact", [True, False])
def test_false_discovery_rates_of_parts_are_those_of_all(exact, monkeypatch):
    if not exact:
        monkeypatch.setattr(FalseDiscoveryRates, "EXACT_TESTS", 0)
    generator = np.random.default_rng(0)
    p = np.concatenate([generator.random(3000), generator.random(500) ** 9, [0, 0, 1e-300, 1, np.nan]])
    rates = FalseDiscoveryRates(len(p))
    for part in np.array_split(generator.permutation(p), 7):
        rates.add(part)
    found, expected = rates.adjust(p[:-1].reshape(-1, 8)).ravel(), false_discovery_control(p[:-1]).astype(np.float32)
    assert np.isnan(rates.adjust(p)[-1])
    if exact:
        np.testing.assert_array_equal(found, expected)
    else:
        normal = expected > 1e-40
        np.testing.assert_allclose(found[normal], expected[normal], rtol=2**-16)
        assert (found >= expected).all()
        assert (found[~normal] < 1e-39).all()
