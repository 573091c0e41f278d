"""What a finished study can be asked for next."""

import numpy as np
import pandas as pd
import pytest
from running import SMALL, SMALL_ZOO, overlay_of, planned, snakemake, tables_of, targets_of
from test_page import check_team, pair_of

from transfer_atlas.logits.zoo_predictions import read_zoo_predictions
from transfer_atlas.store.tables import read_table


def test_a_sweep_makes_each_transfer_again_but_those_that_stand(finished):
    overlay = overlay_of(finished, "swept", {"sweep": {"epochs": [1, 2], "image_share": [0.5]}})
    target = "results/small/figures/scaling.pdf"
    assert planned(finished, target, overlay=overlay) == {
        "transfer_epochs_kl": 2,  # it has epochs of its own
        "transfer_epochs_kl_dp": 1,
        "transfer_epochs_controls": 1,
        "transfer_image_share_kl": 1,
        "transfer_image_share_kl_dp": 1,
        "transfer_image_share_controls": 1,
        "gather_sweeps": 1,
        "plot_scaling": 1,
    }
    snakemake(finished, target, overlay=overlay)
    sweeps = read_table(finished / "results/small/sweeps.parquet")
    assert sweeps.groupby(["key", "value"]).size().to_dict() == {
        ("epochs", "1"): 6,
        ("epochs", "2"): 6,
        ("image_share", "0.5"): 6,
    }
    shared = sweeps[sweeps["method"] != "kl"]
    assert shared.groupby("value")["epoch_objective"].first().map(len).to_dict() == {"0.5": 2, "1": 1, "2": 2}
    own = shared.query("value == '2'").drop(columns=["key", "value"]).reset_index(drop=True)
    stands = tables_of(finished)["transfers"].query("method != 'kl'").reset_index(drop=True)
    of_the_table = ["q", "labels_q"]  # kl has other values there
    own, stands = own.drop(columns=of_the_table), stands.drop(columns=of_the_table)
    pd.testing.assert_frame_equal(own, stands)


def test_teams_use_what_the_study_has_and_stand_beside_it(finished):
    """One after another, and the mean of the students that the same teachers made alone, whose weights are made for it."""
    before = tables_of(finished)["transfers"]
    change = {"teams": {"ways": ["matched", "soup"], "teachers": {"both": ["test_byobnet.a", "test_convnext.a"]}}}
    overlay = overlay_of(finished, "teams", change)
    wanted = [
        f"results/small/{name}" for name in ("teams.parquet", "transfers.parquet", "figures/teams.pdf", "summary.txt")
    ]
    jobs = planned(finished, *wanted, overlay=overlay)
    assert {rule: jobs.get(rule) for rule in ("transfer_kl", "transfer_kl_dp", "team_matched", "team_soup")} == {
        "transfer_kl": None,
        "transfer_kl_dp": 1,
        "team_matched": 1,
        "team_soup": 1,
    }
    snakemake(finished, *wanted, overlay=overlay)
    teams = read_table(finished / "results/small/teams.parquet").set_index("way")
    alone = before.query("method == 'kl_dp'")["delta"]
    assert teams["single_best"].tolist() == [alone.max()] * 2
    assert teams["delta"].notna().all()
    assert teams["epochs"].to_dict() == {"matched": 2, "soup": 4}
    pd.testing.assert_frame_equal(tables_of(finished)["transfers"], before)
    assert (finished / wanted[2]).stat().st_size > 1000
    assert "several teachers" in (finished / wanted[3]).read_text()
    # without teams the summary alone is another
    assert planned(finished, *targets_of(), "results/small/summary.txt") == {"summarise_transfers": 1}


def test_a_stream_of_teachers_ends_with_its_ledger_and_an_improved_student(finished):
    improve = {"methods": ["kl_dp"], "teams": {"both": ["test_byobnet.a", "test_convnext.a"]}}
    change = {"improve": improve | {"stream": {"method": "kl_dp", "stages": 2, "ways": ["flips", "soup"]}}}
    wanted = [
        f"results/small/{name}"
        for name in ("ledger.parquet", "figures/ledger.pdf", "figures/strategies.pdf", "students/test_mambaout.a")
    ]
    overlay = overlay_of(finished, "streams", change)
    jobs = planned(finished, *wanted, overlay=overlay)
    asked = (
        "stream_flips",
        "stream_soup",
        "improve_kl_dp",
        "improve_controls",
        "improve_team",
        "gather_streams",
        "improve",
        "transfer_kl_dp",
    )
    assert [jobs.get(rule) for rule in asked] == [1, 1, 1, 1, 1, 1, 1, None]
    snakemake(finished, *wanted, overlay=overlay)
    ledger, stages = (read_table(finished / f"results/small/{name}.parquet") for name in ("ledger", "stages"))
    gained = ledger["right_after"].astype(int) - ledger["right_before"]
    kept = stages[stages["kept"]].groupby("way")["delta"].sum()
    means = gained.groupby(ledger["way"]).mean()
    np.testing.assert_allclose(means, kept.reindex(means.index, fill_value=0), atol=1e-12)
    assert all((finished / path).stat().st_size > 1000 for path in wanted[:3])
    card = (finished / wanted[3] / "README.md").read_text()
    assert "| kl_dp" in card
    assert "| test_byobnet.a and test_convnext.a |" in card
    assert planned(finished, *wanted, overlay=overlay) == {}


def test_contrasts_and_models_that_teach_each_other_run_beside_the_rest(finished):
    """Features are asked of the teachers alone; models of two geometries learn from each other, and see each other's input."""
    crd = {"contrast": {"loss": "crd", "weight": 0.8, "temperature": 0.07, "negatives": 50}, "label_weight": 1.0}
    methods = {
        "cd": {"contrast": {"loss": "cd", "weight": 10}, "label_weight": 0.1},
        "crd": crd,
        "bi_kd": {"target": "mutual", "label_weight": 0.5, "optimizer": "adam", "lr": 0.0001},
        "seen": {"target": "most_confident", "confidence": "label", "teacher_evaluated_on": "student_input"},
    }
    overlay = overlay_of(finished, "features", {f"transfer.methods.{name}": how for name, how in methods.items()})
    jobs = planned(finished, "results/small/transfers.parquet", overlay=overlay)
    asked = {"compute_features": 2, "predict_as_student": 2, "gather_transfers": 1}
    assert jobs == asked | {f"transfer_{name}": 1 for name in methods}
    snakemake(finished, "results/small/transfers.parquet", overlay=overlay)
    transfers = tables_of(finished)["transfers"].set_index("method")
    assert transfers.loc[[*methods], "delta"].notna().all()
    assert transfers.loc["bi_kd", "teacher_gain"].notna().all()
    assert transfers.drop("bi_kd")["teacher_gain"].isna().all()
    # the second teacher's own images are larger than the student's; to no student it makes a difference
    seen, usual = (transfers.loc[name].set_index("teacher") for name in ("seen", "kl_dp"))
    assert (seen["positive_flips"] == usual["positive_flips"]).to_dict() == {
        "test_byobnet.a": True,
        "test_convnext.a": False,
    }
    pd.testing.assert_series_equal(seen["delta"], usual["delta"])
    assert planned(finished, *targets_of(), overlay=overlay) == {}


def test_pairs_chosen_from_the_comparison_are_transferred(finished):
    choice = {"choose": "top", "number": 1, "students": ["test_mambaout.a"]}
    methods = {"kl_dp": SMALL["transfer"]["methods"]["kl_dp"], "self": {"target": "student"}}
    change = {"study": "small", "pairs": choice, "transfer.methods": methods}
    snakemake(finished, "results/small/transfers.parquet", overlay=overlay_of(finished, "chosen", change))
    tables = tables_of(finished)
    best = tables["complementarity"].query("student == 'test_mambaout.a'").nlargest(1, "positive_flips")["teacher"]
    assert tables["pairs"][["teacher", "chosen_by"]].to_numpy().tolist() == [
        [best.iloc[0], "top: 1. by positive flips"]
    ]
    assert tables["transfers"]["method"].tolist() == ["kl_dp", "self"]


def test_a_new_seed_and_a_new_teacher_make_their_own_transfers(finished):
    """Both at once, run for real in a copy: what stood before still stands."""
    snakemake(finished, *targets_of())
    before = tables_of(finished)["transfers"]
    stamps = {path: path.read_bytes() for path in (finished / "results/small/transfers").rglob("*.parquet")}
    teachers = ["test_byobnet.a", "test_convnext.a", "test_resnet.a"]
    (finished / "config/more_zoo.tsv").write_text(SMALL_ZOO + "test_resnet.a\ttest_resnet\ttrain:short\t500\t\n")
    change = {"transfer.seeds": [0, 1], "pairs.teachers": teachers, "zoo.sheet": "config/more_zoo.tsv"}
    overlay = overlay_of(
        finished, "more", change | {"transfer.methods": {"kl_dp": SMALL["transfer"]["methods"]["kl_dp"]}}
    )
    snakemake(finished, *targets_of(), overlay=overlay)
    assert all(path.read_bytes() == content for path, content in stamps.items())
    after = tables_of(finished)["transfers"]
    assert after.groupby("seed").size().to_dict() == {0: 3, 1: 3}
    same = after[(after["seed"] == 0) & (after["teacher"] != "test_resnet.a")].reset_index(drop=True)
    stood = before[before["method"] == "kl_dp"].reset_index(drop=True)
    judged = ["q", *(name for name in after if name.startswith("labels_"))]  # among the transfers of a table
    pd.testing.assert_frame_equal(same.drop(columns=judged), stood.drop(columns=judged), check_exact=True)


def test_the_atlas_page_shows_what_the_tables_of_the_study_say(finished, chromium):
    snakemake(finished, "results/small/atlas.html")
    expected = read_table(finished / "results/small/recommend/expected.parquet")
    assert set(expected["student"]) <= set(tables_of(finished)["models"]["model"])
    page = (finished / "results/small/atlas.html").read_text()
    predicted = read_zoo_predictions(str(finished / "results/small/predictions/evaluation"))
    tables, _, _ = chromium(page, student=predicted.models[0], teacher=predicted.models[1])
    assert [row[1] for row in tables["pair"][1:5]] == pair_of(predicted, 0, 1, np.ones(len(predicted.labels), bool))
    pairs = tables_of(finished)["complementarity"].set_index(["student", "teacher"])
    for line in tables["teachers"][1:]:
        row = pairs.loc[(predicted.models[0], line[0])]
        assert float(line[1]) == pytest.approx(100 * row["positive_flips"], abs=0.0051)
        assert float(line[5]) == pytest.approx(row["error_consistency"], abs=0.00051)
    check_team(predicted, tables["team"], 0)


def test_a_model_that_cannot_be_built_ends_its_branch_or_is_left_out(finished):
    (finished / "config/broken.tsv").write_text(SMALL_ZOO + "test_resnet.a\tno_module:net\ttrain:short\t500\t\n")
    change = {"zoo.sheet": "config/broken.tsv", "pairs.teachers": ["test_byobnet.a", "test_resnet.a"]}
    wanted = [*targets_of(), "results/small/summary.txt", "results/small/figures/transfer_delta.pdf"]
    done = snakemake(finished, *wanted, overlay=overlay_of(finished, "broken", change), check=False)
    assert done.returncode == 1
    line = "model test_resnet.a: no_module:net is not timm's, so its row must say mean and std"
    assert f"error: {line}" in done.stdout + done.stderr
    assert len(list((finished / "results/small/predictions/evaluation").iterdir())) >= 3
    done = snakemake(finished, *wanted, overlay=overlay_of(finished, "broken", change | {"on_error": "exclude"}))
    tables = tables_of(finished)
    models = tables["models"].set_index("model")
    assert models["excluded"].to_dict()["test_resnet.a"]
    assert line in models.loc["test_resnet.a", "remark"]
    assert "test_resnet.a" not in set(tables["complementarity"]["teacher"])
    lost = tables["transfers"].set_index("teacher").loc["test_resnet.a"]
    assert lost["remark"].str.startswith("the teacher test_resnet.a is excluded: model test_resnet.a").all()
    assert "2 transfer(s) have no result" in (finished / "results/small/summary.txt").read_text()
    assert f"1 of 4 models were left out:\n  test_resnet.a: {line}" in done.stdout


def test_a_wrong_architecture_is_refused_before_any_job(finished):
    (finished / "config/misspelt.tsv").write_text(SMALL_ZOO + "test_resnet.a\ttest_resnt\ttrain:short\t500\t\n")
    overlay = overlay_of(finished, "misspelt", {"zoo.sheet": "config/misspelt.tsv"})
    done = snakemake(finished, *targets_of(), "--dry-run", overlay=overlay, check=False)
    assert done.returncode == 1
    line = "config/misspelt.tsv: model test_resnet.a: timm has no architecture 'test_resnt'; did you mean test_resnet"
    assert line in done.stdout + done.stderr
