"""Flips by hand, by brute force and by identity."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import entropy

from transfer_atlas.complementarity import align_predictions, compare_models, count_flips
from transfer_atlas.errors import InputError


def test_two_models_by_hand():
    #                   class 0      class 1
    student = np.array([1, 0, 0, 0, 1, 0], bool)
    teacher = np.array([0, 1, 1, 0, 1, 1], bool)
    table = compare_models(["s.t", "t.t"], np.stack([student, teacher]), np.array([0, 0, 0, 0, 1, 1]))
    row = table.iloc[0]
    assert (row["student"], row["teacher"]) == ("s.t", "t.t")
    assert row["positive_flips"] == pytest.approx(3 / 6)
    assert row["negative_flips"] == pytest.approx(1 / 6)
    assert row["both_right"] == pytest.approx(1 / 6)
    assert row["both_wrong"] == pytest.approx(1 / 6)
    assert row["accuracy_difference"] == pytest.approx(2 / 6)
    assert row["flip_entropy"] == pytest.approx(-(2 / 3) * np.log(2 / 3) - (1 / 3) * np.log(1 / 3))


@st.composite
def answers(draw):
    images = draw(st.integers(1, 60))
    correct = draw(hnp.arrays(bool, (draw(st.integers(2, 5)), images)))
    return correct, draw(hnp.arrays(np.int64, images, elements=st.integers(0, 6)))


@given(answers())
def test_counts_equal_brute_force(drawn):
    correct, labels = drawn
    flips, entropies = count_flips(correct, labels)
    for s, student in enumerate(correct):
        for t, teacher in enumerate(correct):
            flipped = ~student & teacher
            assert flips[s, t] == flipped.sum()
            expected = entropy(np.bincount(labels[flipped])) if flipped.any() else 0
            assert entropies[s, t] == pytest.approx(expected, abs=1e-9)


@given(answers())
def test_identities(drawn):
    table = compare_models([f"m{i}.t" for i in range(len(drawn[0]))], *drawn)
    np.testing.assert_allclose(
        table["accuracy_difference"], table["positive_flips"] - table["negative_flips"], atol=1e-12
    )
    shares = table[["positive_flips", "negative_flips", "both_right", "both_wrong"]]
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    transposed = table.merge(table, left_on=["student", "teacher"], right_on=["teacher", "student"])
    assert (transposed["positive_flips_x"] == transposed["negative_flips_y"]).all()


def test_models_must_have_answered_the_same_images():
    first = pd.DataFrame({"image": ["a", "b"], "label": [0, 1], "correct": [True, False]})
    with pytest.raises(InputError, match=r"model y.t: its column 'image' differs from that of x.t"):
        align_predictions({"x.t": first, "y.t": first.iloc[::-1].reset_index(drop=True)})
