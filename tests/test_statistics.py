"""Standard errors and summaries by hand."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, norm, spearmanr

from transfer_atlas.analysis.properties import NUMERIC, correlate
from transfer_atlas.analysis.rounding import p_of_change, rounding_errors
from transfer_atlas.analysis.significance import average_seeds, judge_methods, judge_transfers
from transfer_atlas.analysis.summary import (
    describe_finding,
    format_summary,
    summarise_methods,
    summarise_rounding,
    summarise_teams,
)
from transfer_atlas.statistics import accuracy_standard_error, mcnemar_p, paired_standard_error


def test_paired_standard_error_is_that_of_the_changes():
    changes = np.array([1, 1, 1, -1, 0, 0, 0, 0, 0, 0])
    assert paired_standard_error(0.3, 0.1, 10) == pytest.approx(changes.std() / np.sqrt(10))


def test_accuracy_standard_error():
    assert accuracy_standard_error(0.9, 10_000) == pytest.approx(0.003)


def test_mcnemar_by_hand():
    # 1 of 4 changes one way: 2 (1 + 4) / 16
    assert mcnemar_p(0.03, 0.01, 100) == pytest.approx(10 / 16)
    assert mcnemar_p(0.0, 0.0, 100) == 1
    expected = binomtest(7, 27).pvalue
    np.testing.assert_allclose(mcnemar_p(np.array([0.007, 0.02]), np.array([0.02, 0.007]), 1000), [expected] * 2)


NO_ROUNDING = pd.Series(dtype=float)


def judged_by_mcnemar(transfers):
    """Rows with the columns that judging adds where rounding was not measured."""
    p = mcnemar_p(transfers["gain"], transfers["loss"], transfers["images"])
    return transfers.assign(p=p, teacher=None)


def test_transfers_without_a_result_count_as_no_success():
    transfers = pd.DataFrame({"method": "kl", "student": ["a", "a"], "delta": [0.01, np.nan], "gain": [0.01, np.nan]})
    summary = summarise_methods(judged_by_mcnemar(transfers.assign(loss=[0.0, np.nan], images=1000)))
    assert summary.loc["kl", ["success_rate", "lost"]].tolist() == [0.5, 1]
    text = format_summary(summary, "f", NO_ROUNDING)
    assert "1 transfer(s) have no result; column remark" in text
    assert "nan" not in text


def test_summary_by_hand():
    transfers = pd.DataFrame(
        {
            "method": ["kl"] * 4 + ["self"] * 2,
            "student": ["a", "a", "b", "b", "a", "b"],
            "gain": [0.01, 0.03, 0.01, 0.0, 0.0, 0.001],
            "loss": [0.0, 0.0, 0.03, 0.0, 0.0, 0.0],
            "images": 1000,
        }
    )
    transfers["delta"] = transfers["gain"] - transfers["loss"]
    summary = summarise_methods(judged_by_mcnemar(transfers))
    assert summary.index.tolist() == ["kl", "self"]
    assert summary.loc["kl", "success_rate"] == 0.5
    assert summary.loc["kl", "median_success"] == 0.5  # of 1 and 0
    assert summary.loc["kl", ["above", "below"]].tolist() == [0.5, 0.25]  # 10 : 0, 30 : 0, 10 : 30, 0 : 0
    assert summary.loc["kl", "mean_delta"] == pytest.approx(0.005)
    # students' means are 0.02 and -0.01
    assert summary.loc["kl", "standard_error"] == pytest.approx(np.std([0.02, -0.01], ddof=1) / np.sqrt(2))
    text = format_summary(summary, "results/x/figures", NO_ROUNDING)
    assert "+0.50 +- 1.50 points" in text
    taught = summary.assign(control=[False, True]).rename(index={"self": "labels"})
    assert describe_finding(taught) == (
        "kl gives the most: +0.50 +- 1.50 points (mean delta); the labels alone give +0.05 +- 0.05 points."
    )
    assert describe_finding(taught.loc[["labels"]]) == ""
    assert "figures: results/x/figures" in text


def test_teams_in_the_summary_by_hand():
    teams = pd.DataFrame(
        {
            "way": ["soup", "parallel", "soup", "soup"],
            "epochs": [6, 3, 6, 6],
            "delta": [0.02, 0.01, 0.00, np.nan],
            "single_mean": [0.01, 0.01, 0.01, 0.01],
            "single_best": [0.015, 0.02, 0.02, 0.02],
            "single_best_gain": [0.02, 0.01, 0.01, np.nan],
            "single_best_loss": [0.015, 0.02, 0.03, np.nan],
            "single_best_p": [0.2, 0.04, 0.04, np.nan],
        }
    )
    summary = summarise_teams(teams)
    assert summary.index.tolist() == ["soup", "parallel"]
    assert summary["teams"].tolist() == [3, 1]
    assert summary["mean_delta"].tolist() == pytest.approx([0.01, 0.01])
    shares = summary[["above_mean", "above_best", "above", "below"]]
    assert shares.loc["soup"].tolist() == pytest.approx([1 / 3, 1 / 3, 0, 1 / 3])
    assert shares.loc["parallel"].tolist() == [0, 0, 0, 1]
    transfers = pd.DataFrame({"method": ["kl"], "student": ["a"], "delta": 0.0, "gain": 0.0, "loss": 0.0, "images": 9})
    lines = format_summary(summarise_methods(judged_by_mcnemar(transfers)), "f", NO_ROUNDING, summary).splitlines()
    assert [line.split()[:5] for line in lines if "soup" in line] == [["soup", "3", "6", "+1.00", "+1.00"]]
    assert lines[-1] == "figures: f"


def test_correlations_with_the_delta_by_hand():
    generator = np.random.default_rng(0)
    rows = pd.DataFrame(generator.normal(size=(12, 1 + len(NUMERIC))), columns=["delta", *NUMERIC])
    rows = rows.assign(
        student=list("aaabbbcccddd"), student_family=["mlp"] * 6 + ["convolution"] * 6, teacher_family="mlp"
    ).assign(teacher=list("xyz" * 4))
    table = correlate(rows).set_index("property")
    expected = spearmanr(rows["delta"], rows["teacher_size"]).statistic
    assert table.loc["teacher size (log)", "value"] == pytest.approx(expected)
    means = rows.groupby("student_family")["delta"].transform("mean")
    assert table.loc["student family", "value"] ** 2 == pytest.approx(means.var() / rows["delta"].var())
    assert np.isnan(table.loc["teacher family", "value"])
    numeric = table[table["kind"] == "numeric"]
    assert (numeric["low"] <= numeric["value"]).all() and (numeric["high"] >= numeric["value"]).all()
    # of six ways to deal two families of two students each
    of_student = rows.groupby("student")["delta"].mean()
    ways = [
        abs(of_student[list(pair)].mean() - of_student.drop(list(pair)).mean()) / 2 for pair in combinations("abcd", 2)
    ]
    assert table.loc["student family", "chance"] == pytest.approx(max(ways) / rows["delta"].std(ddof=0))
    assert np.isnan(table.loc["teacher family", "chance"])


def test_transfers_are_judged_against_the_labels_of_their_student_and_seed():
    """Of ten images, right after: kl 0 to 5; labels 0 to 2 (seed 0) or all (seed 1)."""

    def bits(*right):
        return np.packbits(np.isin(np.arange(10), right)).tobytes()

    rows = [
        ("labels", "a", 0, 0.1, 0.0, bits(0, 1, 2)),
        ("labels", "a", 1, 0.1, 0.0, bits(*range(10))),
        ("kl", "a", 0, 0.4, 0.1, bits(*range(6))),
        ("kl", "a", 1, 0.4, 0.1, bits(*range(6))),
        ("kl", "a", 7, 0.4, 0.1, bits(2, 9)),
        ("kl", "b", 0, np.nan, np.nan, None),
        ("kl", "c", 0, 0.0, 0.0, bits(1)),
    ]
    frame = pd.DataFrame(rows, columns=["method", "student", "seed", "gain", "loss", "right_after"])
    frame = frame.assign(images=10, delta=frame["gain"] - frame["loss"], teacher=None, weight_perturbation=0.0)
    judged = judge_transfers(frame.set_axis(range(3, 10)))
    assert judged.index.tolist() == list(range(3, 10))
    against = judged[["labels_gain", "labels_loss"]].to_numpy().tolist()
    assert against[2:5] == [[0.3, 0.0], [0.0, 0.4], [0.1, 0.2]]
    assert np.isnan(against[:2] + against[5:]).all()
    assert judged["labels_p"].iloc[2] == pytest.approx(2 * 0.5**3)
    # Benjamini-Hochberg of 0.25, 0.125 and 1: the smallest times three, the next times three halves
    assert judged["labels_q"].iloc[2:5].tolist() == pytest.approx([0.375, 0.375, 1.0])
    assert judged["p"].iloc[2] == pytest.approx(2 * 6 / 2**5)
    assert np.isnan(judged["q"].iloc[5])
    assert "right_after" not in judged


def test_a_summary_tells_what_beats_the_labels():
    rows = pd.DataFrame({"method": ["kl"] * 4 + ["labels"], "student": list("abcda"), "delta": 0.01, "gain": 0.01})
    rows = rows.assign(loss=0.0, images=1000, labels_q=[0.01, 0.01, 0.2, 0.01, np.nan])
    rows = rows.assign(labels_gain=[0.02, 0.0, 0.02, 0.02, np.nan], labels_loss=[0.0, 0.02, 0.0, 0.0, np.nan])
    rows = judged_by_mcnemar(rows)
    summary = summarise_methods(rows)
    assert summary.loc["kl", ["above_labels", "below_labels"]].tolist() == [0.5, 0.25]
    text = format_summary(summary, "f", NO_ROUNDING)
    assert ">labels, <labels: share significantly above" in text
    assert "nan" not in text
    assert ">labels" not in format_summary(summarise_methods(rows.drop(columns="labels_q")), "f", NO_ROUNDING)


def seeds_of(changes, before, method="kl", teacher="t", perturbation=0.0):
    """Rows of the transfer table from per-image correctness after each seed, bool [seeds, images]."""
    rows = []
    for seed, after in enumerate(np.asarray(changes, bool)):
        gain, loss = (~before & after).mean(), (before & ~after).mean()
        rows.append(
            {
                "method": method,
                "student": "s",
                "teacher": teacher,
                "seed": seed,
                "weight_perturbation": perturbation,
                "accuracy_before": before.mean(),
                "delta": gain - loss,
                "gain": gain,
                "loss": loss,
                "images": len(before),
                "right_after": np.packbits(after).tobytes(),
            }
        )
    return pd.DataFrame(rows)


def test_errors_over_images_and_over_seeds_are_told_apart():
    generator = np.random.default_rng(0)
    before = generator.random(1003) < 0.7
    after = before[None] ^ (generator.random((4, 1003)) < 0.1)
    after[:, :60] = True
    row = average_seeds(seeds_of(after, before)).iloc[0]
    change = after.astype(float) - before  # [seeds, images]
    assert row["delta"] == pytest.approx(change.mean())
    assert row["evaluation_error"] == pytest.approx(change.mean(axis=0).std() / np.sqrt(1003))
    assert row["seed_error"] == pytest.approx(change.mean(axis=1).std(ddof=1) / 2)
    error = np.hypot(row["evaluation_error"], row["seed_error"])
    assert row["delta_high"] - row["delta"] == pytest.approx(1.959964 * error)
    assert row["p"] == pytest.approx(2 * norm.sf(abs(row["delta"]) / error))


def test_one_seed_has_its_paired_error_and_exact_p():
    before = np.array([1, 1, 0, 0, 0, 0, 0, 0, 1, 1], bool)
    after = np.array([1, 0, 1, 1, 0, 0, 1, 0, 1, 1], bool)
    row = average_seeds(seeds_of([after], before, teacher=None)).iloc[0]
    assert row["teacher"] is None
    assert row["evaluation_error"] == pytest.approx(paired_standard_error(0.3, 0.1, 10))
    assert np.isnan(row["seed_error"])
    assert row["p"] == row["q"] == pytest.approx(2 * 5 / 16)


def test_rounding_counts_where_it_is_larger_than_what_seeds_show():
    """The student `s` is perturbed four times; what it moves by is its rounding error in every other transfer."""
    generator = np.random.default_rng(0)
    before = generator.random(1000) < 0.7
    moved = before[None] ^ (generator.random((4, 1000)) < 0.05)
    perturbed = seeds_of(moved, before, "rounding", None, 1e-7)
    once = seeds_of(moved[:1] | (np.arange(1000) < 30), before)
    rows = pd.concat([perturbed, once], ignore_index=True)
    expected = (moved.astype(float) - before).mean(axis=1).std(ddof=1)
    assert rounding_errors(rows).to_dict() == {"s": pytest.approx(expected)}
    deltas = average_seeds(rows).set_index("method")
    assert deltas["rounding_error"].tolist() == pytest.approx([expected / 2, expected])
    total = np.hypot(deltas.loc["kl", "evaluation_error"], expected)
    assert deltas.loc["kl", "delta_high"] - deltas.loc["kl", "delta"] == pytest.approx(1.959964 * total)
    assert deltas.loc["kl", "p"] == pytest.approx(2 * norm.sf(abs(deltas.loc["kl", "delta"]) / total))
    judged = judge_transfers(rows)
    assert judged["rounding_error"].tolist() == pytest.approx([expected] * 5)
    assert judged["p"].iloc[4] == pytest.approx(deltas.loc["kl", "p"])
    assert mcnemar_p(once["gain"], once["loss"], 1000)[0] < judged["p"].iloc[4]
    assert summarise_rounding(judged).to_dict() == {"s": pytest.approx(expected)}
    text = format_summary(summarise_methods(judged), "f", summarise_rounding(judged))
    assert f"rounding error in points: s {100 * expected:.2f}" in text
    assert "rounding: controls, which have no teacher" in text


def test_no_rounding_leaves_the_exact_test():
    shares = pd.Series([0.03, 0.0]), pd.Series([0.01, 0.0])
    for rounding in (np.nan, 0.0):
        assert p_of_change(*shares, 100, [rounding] * 2).tolist() == mcnemar_p(*shares, 100).tolist()
    assert (
        p_of_change(*shares, 100, [1e-9] * 2).tolist() == mcnemar_p(*shares, 100).tolist()
    )  # smaller than the exact one


def test_methods_are_judged_against_zero_and_each_control():
    rows = [("kl", s, "t", d) for s, d in zip("abc", (0.02, 0.01, -0.01), strict=True)]
    rows += [("labels", s, None, d) for s, d in zip("ab", (0.01, 0.015), strict=True)] + [("self", "a", None, 0.0)]
    transfers = pd.DataFrame(rows, columns=["method", "student", "teacher", "delta"])
    table = judge_methods(transfers).set_index(["method", "against"])
    assert table.loc[("kl", "zero"), "success_rate"] == pytest.approx(2 / 3)
    assert table.loc[("kl", "zero"), ["success_rate_low", "success_rate_high"]].tolist() == [0, 1]
    labels = table.loc[("kl", "labels")]
    assert (labels["transfers"], labels["success_rate"]) == (2, 0.5)
    assert labels["mean_difference"] == pytest.approx((0.01 - 0.005) / 2)
    assert np.isnan(labels["success_rate_low"])
    assert set(table.loc["labels"].index) == {"zero", "self"}
    assert judge_methods(transfers.iloc[:0]).empty
