"""Pairs of models by hand, by brute force and by identity."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, entropy, false_discovery_control
from statsmodels.stats.inter_rater import cohens_kappa

from transfer_atlas.complementarity.counts import PairCounter, count_pairs
from transfer_atlas.complementarity.examples import choose_examples, count_flips_by_class
from transfer_atlas.complementarity.pair_table import compare_models, tabulate_chunks, tabulate_pairs
from transfer_atlas.errors import InputError
from transfer_atlas.logits.zoo_predictions import ZooPredictions
from transfer_atlas.statistics import TOP_PERCENTS


def predictions_of(prediction, labels, confidence=None):
    prediction = np.asarray(prediction)
    if confidence is None:
        confidence = np.full(prediction.shape, np.nan)
    names = [f"m{number}.t" for number in range(len(prediction))]
    return ZooPredictions(names, np.asarray(labels), prediction, np.asarray(confidence, np.float32))


def test_two_models_by_hand():
    labels = [0, 0, 0, 0, 1, 1]
    student = [0, 1, 1, 1, 1, 0]
    teacher = [1, 0, 0, 1, 1, 1]
    confidence = [[0.9, 0.5, 0.8, 0.5, 0.5, 0.7], [0.5, 0.9, 0.7, 0.5, 0.5, 0.7]]
    row = compare_models(predictions_of([student, teacher], labels, confidence), np.eye(2)).iloc[0]
    assert (row["student"], row["teacher"]) == ("m0.t", "m1.t")
    assert row["positive_flips"] == pytest.approx(3 / 6)
    assert row["negative_flips"] == pytest.approx(1 / 6)
    assert row["both_right"] == row["both_wrong"] == pytest.approx(1 / 6)
    assert row["same_prediction"] == pytest.approx(2 / 6)
    assert row["accuracy_difference"] == pytest.approx(2 / 6)
    error = np.sqrt((4 / 6 - (2 / 6) ** 2) / 6)
    assert row["accuracy_difference_low"] == pytest.approx(2 / 6 - 1.959964 * error)
    assert row["oracle_accuracy"] == pytest.approx(5 / 6)
    # image 0 by the student, 1 by the teacher, 2 by the student (wrong), 3 wrong, 4 right, 5 a tie that counts half
    assert row["confidence_accuracy"] == pytest.approx(3.5 / 6)
    assert row["flip_entropy"] == pytest.approx(-(2 / 3) * np.log(2 / 3) - (1 / 3) * np.log(1 / 3))
    assert row["effective_classes"] == pytest.approx(np.exp(row["flip_entropy"]))
    assert [row[f"top{percent}_classes"] for percent in TOP_PERCENTS] == [1, 1, 1, 1]
    # student right on 2 of 6, teacher on 4 of 6
    assert row["expected_agreement"] == pytest.approx(2 / 6 * 4 / 6 + 4 / 6 * 2 / 6)
    assert row["independent_flips"] == pytest.approx(4 / 6 * 4 / 6)
    # Wilson's interval of 3 in 6, from its formula
    z = 1.959964
    half = z * np.sqrt(0.25 / 6 + z**2 / 144) / (1 + z**2 / 6)
    assert row["positive_flips_high"] == pytest.approx(0.5 + half)


@st.composite
def studies(draw):
    """ZooPredictions of 1 to 5 models; classes of 0 to 200 images in shuffled order; some models alike, all right or all wrong."""
    sizes = draw(st.lists(st.one_of(st.just(0), st.integers(1, 200)), min_size=1, max_size=8).filter(any))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    prediction, confidence = [], []
    for kind in draw(st.lists(st.sampled_from(["random", "copy", "right", "wrong"]), min_size=1, max_size=5)):
        guess = np.where(
            generator.random(len(labels)) < generator.random(), labels, generator.integers(0, 300, len(labels))
        )
        options = {
            "random": guess,
            "copy": prediction[-1] if prediction else guess,
            "right": labels,
            "wrong": labels + 1,
        }
        prediction.append(options[kind])
        confidence.append(generator.choice([0.25, 0.5, 0.75, 1.0], len(labels)))
    embeddings = generator.random((len(sizes), draw(st.sampled_from([1, 3, 130]))))
    return predictions_of(prediction, labels, confidence), embeddings


def smallest_prefix(in_class, percent):
    """Classes that hold `percent` of the flips: falling flips, then class id."""
    ranked = np.lexsort((np.arange(len(in_class)), -in_class))
    for size in range(len(ranked) + 1):
        if 100 * in_class[ranked[:size]].sum() >= percent * in_class.sum():
            return ranked[:size]


def mean_of_pairs(embeddings):
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    cosines = unit @ unit.T
    return cosines[np.triu_indices(len(unit), k=1)].mean()


@pytest.mark.parametrize("classes", [255, 256, 257, 600, 1000])
@pytest.mark.parametrize("size", [1, 2, 64, 65])
def test_many_classes_with_as_many_flips_equal_brute_force(classes, size):
    """More classes in a bin than a byte can count, and a word of 64 images that is full."""
    labels = np.repeat(np.arange(classes), size)
    place = np.arange(len(labels)) % size
    # right everywhere, wrong once in each class, wrong everywhere, right in one class
    correct = np.array([place >= 0, place > 0, place < 0, labels == 3])
    counts = count_pairs(predictions_of(np.where(correct, labels, labels + 1), labels), None)
    for s, t in np.ndindex(4, 4):
        in_class = np.bincount(labels[~correct[s] & correct[t]], minlength=classes)
        assert counts.flips[s, t] == in_class.sum()
        assert counts.entropy[s, t] == pytest.approx(entropy(in_class) if in_class.any() else 0, abs=1e-9)
        if in_class.any():
            top = [len(smallest_prefix(in_class, percent)) for percent in TOP_PERCENTS]
            assert counts.top_classes[s, t].tolist() == top


@given(studies())
@settings(deadline=None, max_examples=150)
def test_counts_equal_brute_force(drawn):
    predicted, embeddings = drawn
    counts = count_pairs(predicted, embeddings)
    labels = predicted.labels
    present = np.unique(labels)
    for s in range(len(predicted.models)):
        for t in range(len(predicted.models)):
            flipped = ~predicted.correct[s] & predicted.correct[t]
            in_class = np.bincount(labels[flipped], minlength=labels.max() + 1)
            assert counts.flips[s, t] == flipped.sum()
            assert counts.same[s, t] == (predicted.prediction[s] == predicted.prediction[t]).sum()
            first, second = predicted.confidence[s], predicted.confidence[t]
            weight = np.where(first == second, 0.5, first > second)
            assert counts.chosen[s, t] == (weight * predicted.correct[s] + (1 - weight) * predicted.correct[t]).sum()
            expected = entropy(in_class) if flipped.any() else 0
            assert counts.entropy[s, t] == pytest.approx(expected, abs=1e-9)
            for place, percent in enumerate(TOP_PERCENTS):
                top = smallest_prefix(in_class, percent)
                assert counts.top_classes[s, t, place] == (len(top) if flipped.any() else 0)
                if flipped.any() and len(top) > 1:
                    relative = mean_of_pairs(embeddings[top]) / mean_of_pairs(embeddings[present]) - 1
                    assert counts.similarity[s, t, place] == pytest.approx(relative, rel=1e-3, abs=1e-3)
                else:
                    assert np.isnan(counts.similarity[s, t, place])


@given(studies())
@settings(deadline=None)
def test_identities(drawn):
    predicted, embeddings = drawn
    counts = count_pairs(predicted, embeddings)
    assert (np.diag(counts.flips) == 0).all()
    assert (np.diag(counts.entropy) == 0).all()
    table = tabulate_pairs(counts)
    difference = table["teacher_accuracy"] - table["student_accuracy"]
    np.testing.assert_allclose(table["accuracy_difference"], difference, atol=1e-12)
    np.testing.assert_allclose(difference, table["positive_flips"] - table["negative_flips"], atol=1e-12)
    shares = table[["positive_flips", "negative_flips", "both_right", "both_wrong"]]
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    both = table.merge(table, left_on=["student", "teacher"], right_on=["teacher", "student"])
    assert (both["positive_flips_x"] == both["negative_flips_y"]).all()
    assert (table["oracle_accuracy"] >= table["confidence_accuracy"] - 1e-12).all()
    assert (table["top50_class_share"] <= 1).all()
    for share in ("positive_flips", "both_wrong", "confidence_accuracy"):
        assert (table[f"{share}_low"] <= table[share] + 1e-12).all()
        assert (table[f"{share}_high"] >= table[share] - 1e-12).all()


def test_error_consistency_is_cohens_kappa():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 5, 400)
    prediction = np.where(generator.random((2, 400)) < [[0.6], [0.8]], labels, 9)
    row = compare_models(predictions_of(prediction, labels)).iloc[0]
    right = prediction == labels
    table = [[(right[0] & right[1]).sum(), (right[0] & ~right[1]).sum()]]
    table.append([(~right[0] & right[1]).sum(), (~right[0] & ~right[1]).sum()])
    known = cohens_kappa(table)
    assert row["error_consistency"] == pytest.approx(known.kappa)
    assert row["error_consistency_low"] == pytest.approx(known.kappa_low, rel=1e-5)
    assert row["error_consistency_high"] == pytest.approx(known.kappa_upp, rel=1e-5)
    positive, negative = table[1][0], table[0][1]
    expected = binomtest(int(positive), int(positive + negative)).pvalue
    assert row["accuracy_difference_p"] == pytest.approx(expected)


def test_false_discoveries_are_counted_over_all_pairs():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 5, 400)
    prediction = np.where(generator.random((7, 400)) < np.linspace(0.5, 0.65, 7)[:, None], labels, 9)
    table = compare_models(predictions_of(prediction, labels))
    q = false_discovery_control(table["accuracy_difference_p"])
    np.testing.assert_allclose(table["accuracy_difference_q"], q, rtol=1e-6)
    assert (q < 0.05).any()
    assert (q > 0.05).any()


def kappa(right):
    """Cohen's kappa of which images two models predict correctly, bool [2, images]."""
    first, second = right.mean(axis=1)
    by_chance = first * second + (1 - first) * (1 - second)
    return ((right[0] == right[1]).mean() - by_chance) / (1 - by_chance)


def test_the_interval_of_error_consistency_is_that_of_drawing_images_anew():
    generator = np.random.default_rng(0)
    labels = np.zeros(2000, int)
    prediction = np.where(generator.random((2, 2000)) < [[0.7], [0.75]], 0, 1)
    prediction[1, :600] = prediction[0, :600]
    row = compare_models(predictions_of(prediction, labels)).iloc[0]
    drawn = [kappa(prediction[:, generator.integers(2000, size=2000)] == 0) for _ in range(4000)]
    assert row["error_consistency"] == pytest.approx(kappa(prediction == 0))
    low, high = np.quantile(drawn, (0.025, 0.975))
    width = row["error_consistency_high"] - row["error_consistency_low"]
    assert width == pytest.approx(high - low, rel=0.12)
    assert row["error_consistency_low"] == pytest.approx(low, abs=0.02)


def test_two_models_without_a_mistake_have_no_error_consistency():
    row = compare_models(predictions_of([[0, 1], [0, 1]], [0, 1])).iloc[0]
    assert np.isnan(row["error_consistency"])
    assert row["same_prediction"] == row["both_right"] == 1


def test_a_model_without_confidences_has_no_confident_choice():
    confidence = [[0.5, 0.5], [0.6, 0.6], [np.nan, np.nan]]
    table = compare_models(predictions_of([[0, 1], [0, 0], [1, 1]], [0, 1], confidence)).set_index(
        ["student", "teacher"]
    )
    known = table["confidence_accuracy"].notna()
    assert known.sum() == 2
    assert table.loc[("m0.t", "m1.t"), "confidence_accuracy"] == 0.5


def test_chunks_make_the_whole_table():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 7, 200)
    predicted = predictions_of(generator.integers(0, 7, (5, 200)), labels, generator.random((5, 200)))
    embeddings = generator.normal(size=(7, 4))
    chunks = list(tabulate_chunks(PairCounter(predicted, embeddings), pairs=10))
    assert [len(chunk) for chunk in chunks] == [8, 8, 4]
    whole = compare_models(predicted, embeddings)
    for column in whole:
        np.testing.assert_array_equal(np.concatenate([chunk[column] for chunk in chunks]), whole[column])


def test_one_model_has_no_pairs():
    assert len(compare_models(predictions_of([[0, 1]], [0, 1]))) == 0


def test_examples_are_quantiles_or_named_pairs():
    labels = np.zeros(10, int)
    prediction = np.array([[0] * right + [1] * (10 - right) for right in (2, 5, 9)])
    predicted = predictions_of(prediction, labels)
    names, right = predicted.models, predicted.correct.sum(axis=1)
    rules = {"weak": 0.0, "strong": 1.0, "mine": ["m1.t", "m2.t"]}
    examples = choose_examples(names, right, rules)
    assert examples == {"weak": ("m2.t", "m0.t"), "strong": ("m0.t", "m2.t"), "mine": ("m1.t", "m2.t")}
    flips = count_flips_by_class(predicted, examples).set_index("example")
    assert flips.loc["mine", "flips"] == 4
    assert flips.loc["mine", "share_of_flips"] == 1
    with pytest.raises(InputError, match=r"examples.mine: model 'm1' has no predictions; did you mean m"):
        choose_examples(names, right, {"mine": ["m1", "m2.t"]})


def test_examples_are_those_of_the_sorted_table():
    """Quantiles with many ties, whose first pair in the order of the table is taken."""
    generator = np.random.default_rng(0)
    labels = np.zeros(12, int)
    predicted = predictions_of(generator.integers(0, 2, (9, 12)), labels)
    ranked = compare_models(predicted).sort_values("accuracy_difference", kind="stable")
    right = predicted.correct.sum(axis=1)
    for quantile in np.linspace(0, 1, 23):
        row = ranked.iloc[int(quantile * (len(ranked) - 1))]
        chosen = choose_examples(predicted.models, right, {"q": quantile})["q"]
        assert chosen == (row["student"], row["teacher"])
