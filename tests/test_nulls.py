"""The difficulty null: flips of models that err independently."""

import numpy as np
import pytest
from scipy.special import expit

from transfer_atlas.complementarity import nulls
from transfer_atlas.complementarity.counts import count_pairs
from transfer_atlas.complementarity.nulls import fit_easiness
from transfer_atlas.complementarity.pair_table import compare_models
from transfer_atlas.errors import InputError
from transfer_atlas.logits.zoo_predictions import ZooPredictions


def draw_zoo(generator, models, images, two_kinds):
    """Bool [models, images] of models that err independently given the easiness of each image."""
    ability, easiness = generator.normal(1.5, 0.8, models), generator.normal(0, 3, images)
    if two_kinds:  # hard and easy images, a distribution that is far from normal
        easiness = np.where(generator.random(images) < 0.5, generator.normal(3, 1, images), easiness / 2 - 2)
    return generator.random((models, images)) < expit(ability[:, None] + easiness)


def null_of(correct):
    return count_pairs(zoo_of(np.where(correct, 0, 1), np.zeros(correct.shape[1], int)))


def zoo_of(prediction, labels):
    names = [f"m{number}" for number in range(len(prediction))]
    return ZooPredictions(names, labels, prediction, np.full(prediction.shape, np.nan, np.float32))


def flips_of(correct):
    return (~correct).astype(np.int64) @ correct.T.astype(np.int64)


@pytest.mark.parametrize(("models", "repetitions", "limit"), [(6, 20, 40), (12, 8, 40), (20, 5, 40), (30, 4, 0)])
@pytest.mark.parametrize("two_kinds", [False, True])
def test_intervals_cover_one_where_the_null_holds(models, repetitions, limit, two_kinds, monkeypatch):
    """Coverage of the 95 % interval is 93 to 99 %: with each pair left out of the fit, and (limit 0) with one fit for all."""
    monkeypatch.setattr(nulls, "LEFT_OUT_MODELS", limit)
    generator, z, ratios, found = np.random.default_rng(models), [], [], 0
    for _ in range(repetitions):
        correct = draw_zoo(generator, models, 3000, two_kinds)
        null, upper = null_of(correct), np.triu_indices(models, 1)
        observed = flips_of(correct)[upper] / 3000
        z.extend((observed - null.expected_flips[upper]) / null.expected_flips_error[upper] / null.null_quantile)
        ratios.extend(observed / null.expected_flips[upper])
        found += (null.expected_flips_q < 0.05).any()
    assert 0.93 <= np.mean(np.abs(z) < 1) <= 0.99
    assert np.mean(ratios) == pytest.approx(1, abs=0.01)
    # no pair is declared to differ, save in one of twenty zoos
    assert found <= max(1, 0.15 * repetitions)


@pytest.mark.parametrize("limit", [40, 0])
def test_models_that_copy_each_other_stand_out(limit, monkeypatch):
    """Two models that agree on a third of the images, and two that share no error: far below and above 1, no other pair is."""
    monkeypatch.setattr(nulls, "LEFT_OUT_MODELS", limit)
    generator = np.random.default_rng(0)
    correct = draw_zoo(generator, 16, 20_000, two_kinds=False)
    copied = generator.random(20_000) < 1 / 3
    correct[1, copied] = correct[0, copied]
    flips = flips_of(correct)
    null = null_of(correct)
    ratio = flips / 20_000 / null.expected_flips
    assert ratio[0, 1] < 0.85
    assert ratio[1, 0] < 0.85
    assert null.expected_flips_q[0, 1] < 1e-6
    others = np.ones((16, 16), bool)
    others[:2] = others[:, :2] = False
    np.fill_diagonal(others, False)
    assert np.abs(ratio[others] - 1).max() < 0.1
    assert (null.expected_flips_q[others] < 0.05).mean() < 0.05


def test_expected_flips_equal_brute_force_over_images():
    """From the fit, image by image: the sum over images of P(student wrong) x P(teacher right) given the image's score."""
    correct = draw_zoo(np.random.default_rng(1), 8, 500, two_kinds=False)
    scores = correct.sum(axis=0)
    shares, abilities = fit_easiness(np.bincount(scores, minlength=9), correct.mean(axis=1), 5000)
    expected, _ = nulls._null_of_all(scores, correct.mean(axis=1), np.arange(8))(slice(8), slice(8))
    brute = np.zeros((8, 8))
    for score in scores:
        right = np.array([expit(ability + nulls.EASINESS) for ability in abilities])
        likelihood = (
            shares * np.exp(score * nulls.EASINESS) / np.prod(1 + np.exp(abilities[:, None] + nulls.EASINESS), axis=0)
        )
        posterior = likelihood / likelihood.sum()
        brute += ((1 - right) * posterior) @ right.T / 500
    off = ~np.eye(8, dtype=bool)
    assert expected[off] == pytest.approx(brute[off], rel=0.01)
    # accuracies are met exactly, so expected flips differ by the accuracy difference as counted flips do
    accuracy = correct.mean(axis=1)
    assert expected - expected.T == pytest.approx(accuracy[None] - accuracy[:, None], abs=1e-9)


@pytest.mark.parametrize("models", [2, 5])
def test_small_zoos_have_no_null(models):
    correct = draw_zoo(np.random.default_rng(2), models, 100, two_kinds=False)
    null = null_of(correct)
    assert np.isnan(null.expected_flips).all()
    assert np.isnan(null.expected_flips_q).all()


def test_models_without_errors_have_no_null_and_harm_no_other():
    correct = draw_zoo(np.random.default_rng(3), 10, 400, two_kinds=False)
    correct[4], correct[7] = True, False
    null = null_of(correct)
    known = ~np.isnan(null.expected_flips)
    assert not known[4].any()
    assert not known[:, 7].any()
    assert known.sum() == 8 * 7


def table_of(prediction, labels, same_network=()):
    return compare_models(zoo_of(prediction, labels), same_network=same_network)


def test_the_table_says_what_is_expected_of_each_pair():
    generator = np.random.default_rng(4)
    correct, labels = draw_zoo(generator, 7, 600, two_kinds=False), generator.integers(0, 5, 600)
    table = table_of(np.where(correct, labels, labels + 1), labels, [["m1", "m4", "m6"]])
    ratio = table["positive_flips"] / table["expected_flips"]
    assert table["flips_over_expected"].tolist() == pytest.approx(ratio.tolist())
    assert (table["flips_over_expected_low"] <= ratio).all()
    assert (table["flips_over_expected_high"] >= ratio).all()
    expected = table.pivot(index="student", columns="teacher", values="expected_flips")
    agreement = table.pivot(index="student", columns="teacher", values="difficulty_agreement")
    assert agreement.to_numpy() == pytest.approx((1 - expected - expected.T).to_numpy(), nan_ok=True)
    marked = table[table["same_network"]]
    assert set(zip(marked["student"], marked["teacher"], strict=True)) == {
        (a, b) for a in ("m1", "m4", "m6") for b in ("m1", "m4", "m6") if a != b
    }


def test_kappa_is_unbiased_and_within_its_bounds():
    """Mean over random pairs of independent models is 0; two models of unequal accuracy cannot reach 1."""
    generator, unbiased = np.random.default_rng(5), []
    for _ in range(300):
        correct = generator.random((2, 12)) < np.array([[0.8], [0.6]])
        labels = np.zeros(12, int)
        row = table_of(np.where(correct, 0, 1), labels).iloc[0]
        assert not row["error_consistency"] < row["error_consistency_lowest"] - 1e-6
        assert not row["error_consistency"] > row["error_consistency_highest"] + 1e-6
        # chance agreement from different images, by brute force
        other = ~np.eye(12, dtype=bool)
        chance = (correct[0][:, None] == correct[1][None])[other].mean()
        if row["expected_agreement"] < 1:
            by_hand = ((correct[0] == correct[1]).mean() - chance) / (1 - chance)
            assert row["error_consistency_unbiased"] == pytest.approx(by_hand)
            unbiased.append((correct[0] == correct[1]).mean() - chance)
    assert abs(np.mean(unbiased)) < 2 * np.std(unbiased) / np.sqrt(300)


def test_chance_adjusted_similarity_by_hand():
    """4 classes, accuracies 1/2 and 3/4, equal on 5 of 8 images: chance 1/2 x 3/4 + 1/2 x 1/4 / 3."""
    labels = np.array([0, 1, 2, 3, 0, 1, 2, 3])
    first = np.array([0, 1, 2, 3, 1, 2, 3, 0])
    second = np.array([0, 1, 2, 3, 0, 1, 3, 1])
    row = table_of(np.stack([first, second]), labels).iloc[0]
    chance = 1 / 2 * 3 / 4 + 1 / 2 * 1 / 4 / 3
    assert row["chance_adjusted_similarity"] == pytest.approx((5 / 8 - chance) / (1 - chance))


def test_an_unknown_model_of_a_network_is_one_line():
    labels = np.array([0, 1, 0])
    with pytest.raises(InputError, match=r"complementarity.same_network': model 'm2' is not in the zoo"):
        table_of(np.stack([labels, labels + 1]), labels, [["m0", "m2"]])
