"""Recommendations: what is learned from transfers, and whether they say how little they know."""

import re

import numpy as np
import pandas as pd
import pytest
from conftest import make_random_study

from transfer_atlas.errors import InputError
from transfer_atlas.recommend.check import OURS, check_recommendations, noise_ceiling, predict_left_out
from transfer_atlas.recommend.job import recommend
from transfer_atlas.recommend.model import DeltaModel


def described(students, teachers, slope, error, seed=0):
    """Described transfers whose true delta is a line in the positive flips plus what student and teacher add."""
    generator = np.random.default_rng(seed)
    flips = generator.uniform(0.02, 0.2, (students, teachers))
    of_student, of_teacher = generator.normal(0, 0.01, students), generator.normal(0, 0.005, teachers)
    true = slope * flips + of_student[:, None] + of_teacher
    rows = pd.DataFrame(
        {
            "student": np.repeat([f"s{n}.t" for n in range(students)], teachers),
            "teacher": np.tile([f"t{n}.t" for n in range(teachers)], students),
            "positive_flips": flips.ravel(),
            "accuracy_difference": generator.normal(0, 0.1, students * teachers),
            "student_accuracy": np.repeat(generator.uniform(0.5, 0.9, students), teachers),
            "true": true.ravel(),
        }
    )
    noise = generator.normal(0, error, len(rows))
    return rows.assign(delta=rows["true"] + noise, delta_standard_error=error)


def test_what_was_not_measured_is_predicted_within_its_interval():
    rows = described(10, 8, slope=0.3, error=0.004)
    left_out = rows.sample(20, random_state=0)
    expected, error = DeltaModel(rows.drop(left_out.index)).predict(left_out)
    assert np.corrcoef(expected, left_out["true"])[0, 1] > 0.9
    inside = np.abs(expected - left_out["true"]) < 1.96 * error
    assert 16 <= inside.sum() <= 20
    assert error.mean() < left_out["true"].std()


@pytest.mark.parametrize(("error", "nearer_to"), [(1e-4, "delta"), (0.2, "prior")])
def test_a_delta_is_trusted_as_far_as_it_was_measured(error, nearer_to):
    rows = described(8, 6, slope=0.3, error=0.003)
    rows.loc[0, ["delta", "delta_standard_error"]] = rows.loc[0, "true"] + 0.03, error
    prior = DeltaModel(rows.drop(0)).predict(rows.loc[[0]])[0][0]
    expected = DeltaModel(rows).predict(rows.loc[[0]])[0][0]
    to_delta, to_prior = abs(expected - rows.loc[0, "delta"]), abs(expected - prior)
    assert (to_delta < to_prior) == (nearer_to == "delta")


def test_few_transfers_are_shrunk_to_their_mean_without_properties():
    rows = described(2, 2, slope=0.0, error=0.05)
    model = DeltaModel(rows)
    assert model.features == []
    new = rows.assign(student="new.t", teacher="other.t")
    np.testing.assert_allclose(model.predict(new)[0], rows["delta"].mean(), atol=0.03)


def test_a_student_that_is_left_out_is_not_looked_at():
    rows = described(6, 5, slope=0.3, error=0.003)
    expected = predict_left_out(rows, "student")
    changed = rows.assign(delta=rows["delta"].where(rows["student"] != "s2.t", 9.0))
    pd.testing.assert_series_equal(predict_left_out(changed, "student")[10:15], expected[10:15])


def study(slope, error, seed=0):
    """Tables of a study in which a larger share of positive flips gives a larger delta."""
    tables = make_random_study(students=6, teachers=6, seed=seed)
    transfers, generator = tables["transfers"].copy(), np.random.default_rng(seed)
    delta = slope * (transfers["positive_flips"] - transfers["positive_flips"].mean())
    transfers["delta"] = delta.fillna(0) + generator.normal(0, error, len(transfers))
    tables["transfers"] = transfers.assign(delta_standard_error=error)
    tables["models"]["macs"] = 1000
    return {name: tables[name] for name in ("complementarity", "models", "transfers")}


def test_rules_of_thumb_by_hand():
    tables = study(0.3, 0.002)
    checks = check_recommendations(**{**tables, "transfers": tables["transfers"].query("method == 'kl'")})
    checks = checks[checks["left_out"] == "student"].set_index("rule")
    kl = tables["transfers"].query("method == 'kl'")
    by_student = kl.groupby("student")["delta"]
    assert checks.loc["chance", "regret"] == pytest.approx((by_student.max() - by_student.mean()).mean())
    chosen = kl.loc[kl.groupby("student")["positive_flips"].idxmax(), "delta"].to_numpy()
    assert checks.loc["most complementary", "regret"] == pytest.approx((by_student.max().to_numpy() - chosen).mean())
    assert checks.loc[OURS, "rank_correlation"] > 0.8
    assert checks.loc[OURS, "more_regret"] == 0
    assert checks.loc["chance", "more_regret"] > 3 * checks.loc["chance", "more_regret_standard_error"]


def test_a_clear_best_teacher_is_recommended_and_noise_is_called_noise():
    tables = study(0.3, 0.002)
    student = tables["transfers"]["student"].iloc[0]
    table, text = recommend(student, **tables, checks=check_recommendations(**tables))
    best = table[table["rank"] == 1].iloc[0]
    kl = tables["transfers"].query("method == @best.method and student == @student").set_index("teacher")
    assert kl["delta"].nlargest(3).index.isin([best["teacher"]]).any() or np.isnan(best["measured_delta"])
    assert "chance" in re.search(r"choice is significantly better \(1.96 standard errors\) than: (.*)", text)[1]
    noise = study(0.0, 0.01)
    _, text = recommend(student, **noise, checks=check_recommendations(**noise))
    assert "chance" in re.search(r"choice is not significantly better than: (.*)", text)[1]


def test_one_student_is_too_few_to_say_how_good_a_recommendation_is():
    tables = study(0.3, 0.002)
    student = tables["transfers"]["student"].iloc[0]
    tables["transfers"] = tables["transfers"].query("student == @student")
    checks = check_recommendations(**tables)
    assert (checks["left_out"] == "teacher").all()
    few = {**tables, "transfers": tables["transfers"].groupby("method").head(2)}
    assert check_recommendations(**few)["rule"].tolist() == []
    _, text = recommend(student, **tables, checks=checks)
    assert "Too few students to say" in text


def test_where_every_transfer_hurts_no_teacher_is_recommended():
    tables = study(0.0, 0.001)
    tables["transfers"]["delta"] -= 0.05
    student = tables["transfers"]["student"].iloc[0]
    _, text = recommend(student, **tables, checks=check_recommendations(**tables))
    assert "No teacher has an expected delta above zero." in text


def test_before_any_transfer_the_most_complementary_come_first():
    tables = study(0.3, 0.002)
    tables = {name: tables[name] for name in ("complementarity", "models")}
    student = tables["models"]["model"].iloc[0]
    table, text = recommend(student, **tables)
    assert table["positive_flips"].is_monotonic_decreasing
    assert table["expected_delta"].isna().all()
    assert "No transfer has been made yet" in text
    with pytest.raises(
        InputError, match=r"recommend: 'model0.x' is not among the compared models; did you mean model0.t"
    ):
        recommend("model0.x", **tables)


def test_the_noise_ceiling_of_pure_noise_is_near_zero_and_of_signal_near_one():
    assert noise_ceiling(described(12, 10, slope=0.0, error=0.1))["share_within"] < 0.2
    ceiling = noise_ceiling(described(12, 10, slope=1.0, error=0.002))
    assert ceiling["share"] > 0.95
    assert ceiling["spread_within"] == pytest.approx(0.055, abs=0.01)
