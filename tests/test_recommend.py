"""Recommendations: what is learned from transfers, and whether they say how little they know."""

import re

import numpy as np
import pandas as pd
import pytest
from conftest import make_random_study
from scipy.optimize import minimize

from transfer_atlas.analysis.covariances import covariances_of_deltas
from transfer_atlas.analysis.significance import average_seeds
from transfer_atlas.complementarity.pair_table import compare_models
from transfer_atlas.errors import InputError
from transfer_atlas.logits.zoo_predictions import ZooPredictions
from transfer_atlas.recommend.advice import expect_deltas, learnable, recommend_teachers, transfers_by_method
from transfer_atlas.recommend.check import OURS, check_recommendations, noise_ceiling, predict_left_out, spread_within
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
    assert "A plain rule is as good here: the teacher that is " in text.splitlines()[1]


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


def test_expectations_of_all_pairs_are_those_of_the_recommendations():
    study = make_random_study(students=4, teachers=6)
    tables = {name: study[name] for name in ("transfers", "complementarity")}
    tables["models"] = study["models"].assign(macs=1)
    expected, learned = expect_deltas(**tables), learnable(transfers_by_method(**tables))
    assert len(expected) == len(study["complementarity"])
    for student, rows in expected.groupby("student"):
        ranked = recommend_teachers(student, tables["complementarity"], tables["models"], learned)
        best = ranked[ranked["method"] == ranked["method"].iloc[0]].set_index("teacher")
        found = rows.set_index("teacher").loc[best.index]
        assert (found["method"] == best["method"]).all()
        for column in ("expected_delta", "expected_low", "expected_high"):
            np.testing.assert_allclose(found[column], best[column], rtol=1e-6, atol=1e-9)
    assert expect_deltas(**tables | {"transfers": study["transfers"][:0]}).empty


def test_before_any_transfer_the_most_complementary_come_first():
    tables = study(0.3, 0.002)
    tables = {name: tables[name] for name in ("complementarity", "models")}
    student = tables["models"]["model"].iloc[0]
    table, text = recommend(student, **tables)
    assert table["positive_flips"].is_monotonic_decreasing
    assert table["expected_delta"].isna().all()
    assert "No transfer has been made yet" in text
    assert "3 transfers of one method are needed" in text


def test_before_any_transfer_the_ranking_net_of_difficulty_stands_beside():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 4, 400)
    easy = generator.random(400)
    prediction = np.where(generator.random((8, 400)) < 0.4 + 0.5 * easy, labels, (labels + 1) % 4)
    predicted = ZooPredictions([f"m{n}" for n in range(8)], labels, prediction, np.full((8, 400), np.nan, np.float32))
    models = pd.DataFrame(
        {"model": predicted.models, "accuracy": 0.5, "parameters": None, "family": None, "macs": None}
    )
    pairs = compare_models(predicted)
    table, text = recommend("m0", pairs, models)
    own = pairs[pairs["student"] == "m0"].set_index("teacher")["flips_over_expected"]
    assert table.set_index("teacher")["flips_over_expected"].to_dict() == own.to_dict()
    assert f"By it the first teacher is {own.idxmax()} ({own.max():.2f})" in text
    assert "have 7 of their first 7 teachers in common" in text


def test_an_unknown_student_is_one_line():
    tables = study(0.3, 0.002)
    tables = {name: tables[name] for name in ("complementarity", "models")}
    with pytest.raises(
        InputError, match=r"recommend: 'model0.x' is not among the compared models; did you mean model0.t"
    ):
        recommend("model0.x", **tables)


def test_the_noise_ceiling_of_pure_noise_is_near_zero_and_of_signal_near_one():
    assert noise_ceiling(described(12, 10, slope=0.0, error=0.1))["share_within"] < 0.2
    ceiling = noise_ceiling(described(12, 10, slope=1.0, error=0.002))
    assert ceiling["share"] > 0.95
    assert ceiling["spread_within"] == pytest.approx(0.055, abs=0.01)


def test_the_spread_within_students_is_covered_and_found_where_it_is():
    generator, inside, found, estimates = np.random.default_rng(0), [], [], {0.0: [], 0.002: []}
    for _ in range(100):
        spread = generator.choice([0.0, 0.002])
        deltas = generator.normal(0, spread, (6, 8)) + generator.normal(0, 0.01, (6, 1))
        errors = 0.0016**2 * (0.5 + 0.5 * np.eye(8))
        noise = generator.multivariate_normal(np.zeros(8), errors, 6)
        rows = pd.DataFrame({"student": np.repeat(list("abcdef"), 8), "teacher": np.tile(list("stuvwxyz"), 6)})
        rows = rows.assign(delta=(deltas + noise).ravel(), delta_standard_error=0.0016)
        pairs = rows.merge(rows, on="student").query("teacher_x != teacher_y")
        covariances = pd.DataFrame({"student": pairs["student"], "teacher": pairs["teacher_x"]})
        covariances = covariances.assign(other=pairs["teacher_y"], covariance=0.5 * 0.0016**2)
        estimate, low, high, p = spread_within(rows, covariances)
        assert low <= estimate <= high
        estimates[spread].append(estimate**2)
        inside.append(low <= spread <= high)
        found.append((spread > 0, (p < 0.05).mean()))
    found = pd.DataFrame(found).groupby(0)[1].mean()
    assert 0.9 < np.mean(inside) < 1
    assert np.mean(estimates[0.002]) == pytest.approx(0.002**2, rel=0.2)
    assert np.mean(estimates[0.0]) < 0.1 * 0.002**2
    assert 0.02 < found[False] < 0.09
    assert found[True] > 0.6


def correlated_study(students, teachers, spread, generator, correlation=0.55, error=0.0016):
    """Described transfers with known truth, one in five of them not made; errors of a student's transfers are correlated."""
    effects = np.array([0.003, 0.0015, 0.001]) * spread
    of_student, of_teacher = generator.normal(0, 1, students + 1), generator.normal(0, 1, teachers + 1)
    of_pair = generator.normal(0, 1, (students + 1, teachers + 1))
    flips = generator.uniform(0.02, 0.2, (students + 1, teachers + 1))
    true = 0.01 * spread * flips + effects[0] * of_student[:, None] + effects[1] * of_teacher + effects[2] * of_pair
    student, teacher = np.indices(true.shape).reshape(2, -1)
    covariance = error**2 * (correlation + (1 - correlation) * np.eye(teachers + 1))
    noise = generator.multivariate_normal(np.zeros(teachers + 1), covariance, students + 1).ravel()
    rows = pd.DataFrame(
        {
            "student": [f"s{n}" for n in student],
            "teacher": [f"t{n}" for n in teacher],
            "positive_flips": flips.ravel(),
            "accuracy_difference": 0.0,
            "student_accuracy": 0.7,
            "true": true.ravel(),
            "delta": true.ravel() + noise,
            "delta_standard_error": error,
            "kind": np.select(
                [(student < students) & (teacher < teachers), teacher < teachers, student < students],
                ["pair", "new student", "new teacher"],
                "both new",
            ),
        }
    )
    made = (rows["kind"] == "pair") & (generator.random(len(rows)) < 0.8)
    one, two = np.nonzero(
        made.to_numpy()[:, None] & made.to_numpy() & (student[:, None] == student) & (teacher[:, None] != teacher)
    )
    covariances = pd.DataFrame(
        {
            "student": rows["student"].to_numpy()[one],
            "teacher": rows["teacher"].to_numpy()[one],
            "other": rows["teacher"].to_numpy()[two],
            "covariance": correlation * error**2,
        }
    )
    return rows.assign(kind=rows["kind"].where(~made, "measured")), covariances


@pytest.mark.parametrize(("students", "teachers", "studies"), [(4, 6, 120), (12, 11, 12), (20, 20, 4)])
@pytest.mark.parametrize("spread", [1, 0])
def test_intervals_cover_the_truth_as_often_as_they_say(students, teachers, studies, spread):
    """Measured and new pairs, students and teachers; without any spread intervals are too wide, never too narrow."""
    generator, inside = np.random.default_rng(students), []
    for _ in range(studies):
        rows, covariances = correlated_study(students, teachers, spread, generator)
        expected, error = DeltaModel(rows[rows["kind"] == "measured"], covariances).predict(rows)
        inside.append(pd.DataFrame({"kind": rows["kind"], "inside": abs(expected - rows["true"]) < 1.96 * error}))
    coverage = pd.concat(inside).groupby("kind")["inside"].mean()
    assert coverage.min() > 0.90, coverage
    assert coverage[["measured", "pair"]].mean() < (0.98 if spread else 1.01), coverage


def test_independent_errors_would_make_intervals_too_narrow():
    generator, inside = np.random.default_rng(0), []
    for _ in range(30):
        rows, _ = correlated_study(12, 6, 0, generator, correlation=0.9)
        measured = rows[rows["kind"] == "measured"]
        expected, error = DeltaModel(measured).predict(measured)
        inside += (abs(expected - measured["true"]) < 1.96 * error).tolist()
    assert np.mean(inside) < 0.9


def test_the_fit_ends_at_its_optimum():
    """Against the best of many starts, where the true spread of pairs is smaller than their error."""
    generator = np.random.default_rng(1)
    for _ in range(8):
        rows, covariances = correlated_study(12, 6, 0.7, generator)
        model = DeltaModel(rows[rows["kind"] == "measured"], covariances)
        starts = generator.uniform(0, 2, (15, 3)) ** 2
        best = min(
            minimize(lambda v, model=model: model._solve(model.scale * v).deviance, start, bounds=[(0, 20)] * 3).fun
            for start in starts
        )
        assert model._solve(model.variances).deviance < best + 0.01


def test_covariances_of_deltas_by_hand():
    generator = np.random.default_rng(0)
    before = generator.random(1000) < 0.7
    rows, changes = [], {}
    for teacher in ("a", "b", "c"):
        for seed in (0, 1):
            after = np.where(generator.random(1000) < 0.1, generator.random(1000) < 0.5, before)
            changes.setdefault(teacher, []).append(after.astype(float) - before)
            gain, loss = (~before & after).mean(), (before & ~after).mean()
            bits = np.packbits(after).tobytes()
            rows.append(("kl", "s", teacher, seed, before.mean(), gain - loss, gain, loss, 1000, bits))
    columns = [
        "method",
        "student",
        "teacher",
        "seed",
        "accuracy_before",
        "delta",
        "gain",
        "loss",
        "images",
        "right_after",
    ]
    table = pd.DataFrame(rows, columns=columns).assign(weight_perturbation=0.0)
    found = covariances_of_deltas(table).set_index(["teacher", "other"])["covariance"]
    means = np.array([np.mean(changes[teacher], axis=0) for teacher in ("a", "b", "c")])
    expected = np.cov(means, ddof=0) / 1000
    np.testing.assert_allclose(found.to_numpy().reshape(3, 3), expected, rtol=1e-9)
    deltas = average_seeds(table).set_index("teacher")["evaluation_error"]
    np.testing.assert_allclose(np.sqrt(np.diag(expected)), deltas[["a", "b", "c"]], rtol=1e-6)
