"""The real workflow: tables, figures, resuming, and what runs again when. The last tests change the shared study."""

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from kills import LOCAL, STAGES, Site, play, small_disk
from running import (
    FIGURES_OF_PAIRS,
    FIGURES_OF_TRANSFERS,
    SMALL,
    SMALL_ZOO,
    SNAKEMAKE,
    copy_repository,
    overlay_of,
    planned,
    snakemake,
    tables_of,
    targets_of,
)
from test_page import check_team, pair_of

from transfer_atlas.logits.zoo_predictions import read_zoo_predictions
from transfer_atlas.store.tables import read_metadata, read_table

AFTER_A_NEW_TRANSFER = {
    "write_config": 1,
    "gather_transfers": 1,
    "summarise_transfers": 1,
    **{f"plot_{figure}": 1 for figure in FIGURES_OF_TRANSFERS},
}


def test_the_study_ends_with_tables_figures_and_summary(finished):
    results = finished / "results/small"
    tables = tables_of(finished)
    assert len(tables["complementarity"]) == 6
    assert (tables["complementarity"]["positive_flips"] > 0).all()
    assert tables["transfers"]["method"].value_counts().to_dict() == {
        "kl": 2,
        "kl_dp": 2,
        "self": 1,
        "labels": 1,
    }
    for figure in FIGURES_OF_PAIRS | FIGURES_OF_TRANSFERS:
        assert (results / f"figures/{figure}.pdf").stat().st_size > 5000
        assert (results / f"figures/{figure}.png").stat().st_size > 5000
    assert "figures: results/small/figures" in (results / "summary.txt").read_text()
    assert yaml.safe_load((results / "config.yaml").read_text())["transfer"]["momentum"] == 0.9


def test_identities_hold_in_the_tables(finished):
    tables = tables_of(finished)
    pairs, transfers = tables["complementarity"], tables["transfers"]
    difference = pairs["teacher_accuracy"] - pairs["student_accuracy"]
    pd.testing.assert_series_equal(difference, pairs["positive_flips"] - pairs["negative_flips"], check_names=False)
    pd.testing.assert_series_equal(transfers["delta"], transfers["gain"] - transfers["loss"], check_names=False)
    change = transfers["accuracy_after"] - transfers["accuracy_before"]
    pd.testing.assert_series_equal(transfers["delta"], change, check_names=False)
    merged = transfers.merge(pairs, on=["student", "teacher"])
    pd.testing.assert_series_equal(merged["positive_flips_x"], merged["positive_flips_y"], check_names=False)
    itself = transfers[transfers["method"] == "self"].iloc[0]
    assert abs(itself["delta"]) <= 0.002


def test_notebooks_run_on_the_results(finished):
    environment = {**os.environ, "TRANSFER_ATLAS_RESULTS": "results/small", "PYTHONPATH": str(finished / "src")}
    for notebook in sorted((finished / "notebooks").glob("*.py")):
        command = [sys.executable, notebook]
        done = subprocess.run(command, cwd=finished, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_tables_alone_give_figures_recommendations_and_notebooks(finished, tmp_path):
    """Handed over as results/<study>/*.parquet, to someone who has neither images nor models nor the config."""
    clone = copy_repository(tmp_path / "transfer-atlas")
    handed = clone / "results/theirs"
    handed.mkdir(parents=True)
    for table in (finished / "results/small").glob("*.parquet"):
        shutil.copy(table, handed)
    given = ("--config", "study=theirs", "tables=given")
    student = "results/theirs/recommend/test_convnext.a.txt"
    figures = {f"plot_{name}": 1 for name in FIGURES_OF_PAIRS | FIGURES_OF_TRANSFERS}
    assert planned(clone, *given, overlay=None) == figures
    in_one_column = "results/theirs/figures/column/complementarity.pdf"
    snakemake(clone, student, "results/theirs/figures/transfer_delta.png", in_one_column, *given, overlay=None)
    assert b"MediaBox [ 0 0 241.2 " in (clone / in_one_column).read_bytes()  # 3.35 inches in points
    assert (clone / student).read_text() == recommended(finished, "test_convnext.a")
    again = snakemake(clone, student, *given, overlay=None)
    assert "Nothing to be done" in again.stderr
    assert (clone / student).read_text() in again.stdout
    drawn = (clone / "results/theirs/figures/transfer_delta.png").read_bytes()
    assert drawn == (finished / "results/small/figures/transfer_delta.png").read_bytes()
    environment = {**os.environ, "TRANSFER_ATLAS_RESULTS": "results/theirs", "PYTHONPATH": str(clone / "src")}
    for notebook in ("01_zoo_and_pairs", "03_transfers", "04_choose_a_teacher"):
        command = [sys.executable, f"notebooks/{notebook}.py"]
        done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    done = snakemake(clone, "--dry-run", "--config", "study=nothing", "tables=given", overlay=None, check=False)
    assert "results/nothing: has no tables (*.parquet)" in done.stdout + done.stderr


def recommended(folder, student):
    """The text that the workflow writes for a student of the small study."""
    target = f"results/small/recommend/{student}.txt"
    snakemake(folder, target)
    return (folder / target).read_text()


def test_results_carry_their_recipe(finished):
    path = finished / "results/small/transfers/kl_dp/test_mambaout.a/test_byobnet.a/0.parquet"
    metadata = read_metadata(path)
    assert metadata["recipe"]["spec"]["epochs"] == 2
    assert metadata["recipe"]["spec"]["confidence"] == "label"
    assert metadata["seconds"] > 0


# puts every picture that the report carries onto the page, and leaves there how many the browser could show
SHOW_ALL = """<script>
for (const result of Object.values(results).filter(result => result.mime_type == "image/png"))
  document.body.append(Object.assign(new Image(), {src: result.data_uri}));
addEventListener("load", () => {
  document.body.dataset.shown = [...document.images].filter(image => image.naturalWidth > 500).length });
</script>"""
# sorts a table by its first numbers, the largest first, and filters it
SORT = """<script>
  const accuracy = [...document.querySelectorAll("th")].find(heading => heading.textContent.startsWith("accuracy"));
  accuracy.click();
  document.body.dataset.first = document.querySelector("tbody tr td").textContent;
  const filter = document.querySelector("input");
  filter.value = "byobnet"; filter.dispatchEvent(new Event("input"));
  document.body.dataset.left = document.querySelectorAll("tbody tr:not([hidden])").length;
</script>"""


def browse(page, script, profile):
    """The document of a page in headless Chromium once a script has run, where it says nothing on the console."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium here")
    before, end, after = page.read_text().rpartition("</html>")
    scripted = profile / page.name
    scripted.write_text(before + script + end + after)
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    command += ["--virtual-time-budget=20000", f"--user-data-dir={profile}", "--dump-dom", scripted.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line and "cdn.tailwindcss.com" not in line]
    assert said == []
    return done.stdout


def test_make_report_opens_in_a_browser_and_shows_every_figure(finished, tmp_path):
    command = ["make", "-o", "env", "report", f"BIN={SNAKEMAKE.parent}", "CONFIG=config/small.yaml"]
    environment = {**os.environ, "PYTHONPATH": str(finished / "src")}
    subprocess.run(command, cwd=finished, env=environment, check=True, capture_output=True)
    report = finished / "results/small/report.html"
    assert "transfer_delta" in report.read_text()
    shown = browse(report, SHOW_ALL, tmp_path)
    # two methods have a teacher; the one student is a convolution, and a correlation needs more transfers than it has
    grouped = {
        kind: {path.stem for path in (finished / f"results/small/figures/by_{kind}").glob("*/*.png")}
        for kind in ("method", "family")
    }
    assert grouped == {"method": {"kl", "kl_dp"}, "family": {"convolution"}}
    pages = len(list((finished / "results/small/figures").glob("by_*/*/*.png")))
    assert len(FIGURES_OF_TRANSFERS) < pages < 3 * len(FIGURES_OF_TRANSFERS)
    assert f'data-shown="{len(FIGURES_OF_PAIRS) + len(FIGURES_OF_TRANSFERS) + pages}"' in shown
    assert re.search("(kl|kl_dp) gives the most of 2 methods with a teacher", shown)  # the first page begins with it
    assert all(category in shown for category in ("Complementarity", "What explains it", "Summary", "Tables", "Atlas"))


def test_a_table_is_a_page_to_sort_and_to_filter(finished, tmp_path):
    snakemake(finished, "results/small/tables/models.html")
    shown = browse(finished / "results/small/tables/models.html", SORT, tmp_path)
    best = tables_of(finished)["models"].nlargest(1, "accuracy")["model"].iloc[0]
    assert f'data-first="{best}"' in shown
    assert 'data-left="1"' in shown
    assert 'title="top-1 accuracy on the evaluation split"' in shown


# a cell of each row of the kill matrix (docs/reliability.md) that needs no Slurm; `make kill-matrix` plays them all
CELLS = {
    "SIGINT to Snakemake (Ctrl-C)": "transfer, mid-epoch",
    "SIGTERM to Snakemake": "gather",
    "SIGKILL to Snakemake": "logits, mid-file",
    "SIGTERM to the job": "evaluation after a transfer",
    "SIGKILL to the job": "transfer, mid-epoch",
    "disk full": "transfer, mid-epoch",
}


@pytest.fixture(scope="module")
def killed(finished):
    """A second study that equals the small one, on a small disk of its own where one can be mounted."""
    overlay, results = overlay_of(finished, "killed", {"study": "killed"}), finished / "results/killed"
    with small_disk(results):
        shutil.copytree(finished / "results/small", results, dirs_exist_ok=True)
        yield Site(finished, study="killed", overlay=overlay)


@pytest.mark.parametrize("row", CELLS)
def test_a_study_that_is_ended_half_way_ends_with_the_same_tables(row, killed, finished):
    if row == "disk full" and not os.path.ismount(killed.results):
        pytest.skip("no small disk can be mounted here")
    outcome = play(killed, STAGES[CELLS[row]], LOCAL[row], tables_of(finished))
    log = (killed.folder / "snakemake.log").read_text()[-3000:]
    assert (outcome.struck, outcome.codes[-1]) == (True, 0), log
    assert outcome.equal
    assert outcome.leftovers == []
    assert outcome.goes_on or CELLS[row] != "transfer, mid-epoch"


def test_a_finished_study_does_nothing(finished):
    assert planned(finished) == {}


def test_a_variant_under_its_own_name_leaves_the_study_as_it_is(finished):
    variant = overlay_of(finished, "variant", {"study": "variant", "transfer.evaluate_epochs": True})
    assert planned(finished) == {}
    assert planned(finished, overlay=variant)["transfer_kl_dp"] == 1
    snakemake(finished, "results/variant/pairs.parquet", overlay=variant)
    assert planned(finished) == {}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"images.classes": 11}, "images.classes is 10, not 11"),
        ({"images.root": "data/other"}, "images.root is data/small, not data/other"),
        ({"geometry.crop_pct": 0.9}, "geometry of test_"),
    ],
)
def test_another_study_under_the_same_name_is_refused(finished, change, named):
    done = snakemake(finished, "--dry-run", overlay=overlay_of(finished, "other", change), check=False)
    said = done.stdout + done.stderr
    assert "results/small holds the results of another study: its " in said
    assert named in said
    assert "give this study a name of its own (study: <name>), or delete results/small" in said


def test_a_copied_results_folder_has_nothing_to_do(finished, tmp_path):
    """In a new clone, with new times; an edited figure module still redraws its one figure."""
    clone = copy_repository(tmp_path / "transfer-atlas")
    shutil.copytree(finished / "results/small", clone / "results/small", copy_function=shutil.copyfile)
    assert planned(clone) == {}
    module = clone / "src/transfer_atlas/figures/gain_loss.py"
    module.write_text(module.read_text() + "\nEDITED = 1\n")
    assert planned(clone) == {"plot_gain_loss": 1}


def test_weights_that_a_method_keeps_are_planned(finished):
    methods = SMALL["transfer"]["methods"]
    keeping = methods | {"kl_dp": methods["kl_dp"] | {"keep_weights": "last"}}
    assert planned(finished, overlay=overlay_of(finished, "keeping", {"transfer.methods": keeping})) == {
        "transfer_kl_dp": 1,
        **AFTER_A_NEW_TRANSFER,
    }


def test_a_deleted_figure_is_one_job(finished):
    figure = finished / "results/small/figures/complementarity.pdf"
    figure.unlink()
    assert planned(finished, "results/small/figures/complementarity.pdf") == {"plot_complementarity": 1}
    snakemake(finished, "results/small/figures/complementarity.pdf")
    assert planned(finished) == {}


def test_other_epochs_rerun_transfers_and_what_reads_them(finished):
    jobs = planned(finished, overlay=overlay_of(finished, "epochs", {"transfer.epochs": 3}))
    assert jobs == {"transfer_kl_dp": 1, "transfer_controls": 1, **AFTER_A_NEW_TRANSFER}


def test_an_edited_figure_module_reruns_that_figure(finished):
    module = finished / "src/transfer_atlas/figures/transfer_rate.py"
    before = module.read_text()
    module.write_text(before + "\n# a remark\n")
    assert planned(finished) == {}
    module.write_text(before + "\nEDITED = 1\n")
    assert planned(finished) == {"plot_transfer_rate": 1}
    module.write_text(before)


def test_an_edited_style_redraws_all_figures(finished):
    style = finished / "src/transfer_atlas/figures/paper.mplstyle"
    before = style.read_text()
    style.write_text(before + "\nlines.linewidth: 3\n")
    assert set(planned(finished)) == {f"plot_{figure}" for figure in FIGURES_OF_PAIRS | FIGURES_OF_TRANSFERS}
    style.write_text(before)


def test_a_new_model_computes_its_own_logits_and_what_compares_all(finished):
    sheet = finished / "config/small_zoo.tsv"
    sheet.write_text(SMALL_ZOO + "test_resnet.a\ttest_resnet\ttrain:short\t500\t\n")
    jobs = planned(finished)
    sheet.write_text(SMALL_ZOO)
    assert jobs == {
        "train_model": 1,
        "compute_predictions": 1,
        "describe_zoo": 1,
        "embed_classes": 1,
        "compare_models": 1,
        **{
            f"plot_{figure}": 1
            for figure in FIGURES_OF_PAIRS
            | (FIGURES_OF_TRANSFERS - {"success_rate", "class_transfer_rate", "learning_curves"})
        },
    }


def test_a_new_method_takes_config_lines_and_runs_alone(finished):
    mixed = {"target": "most_confident", "confidence": "max", "label_weight": 0.5}
    jobs = planned(finished, overlay=overlay_of(finished, "mixed", {"transfer.methods.mixed": mixed}))
    assert {rule: count for rule, count in jobs.items() if rule.startswith("transfer_")} == {"transfer_mixed": 1}
    assert "compute_logits" not in jobs


def test_other_minutes_between_checkpoints_and_other_errors_rerun_nothing(finished):
    change = {"transfer.checkpoint_minutes": 1, "on_error": "exclude"}
    assert planned(finished, overlay=overlay_of(finished, "minutes", change)) == {"write_config": 1}


def test_the_teachers_share_of_a_partition_is_what_the_tables_say(finished):
    """kl takes the teacher everywhere, kl_dp where it gives the label the larger probability."""
    transfers = tables_of(finished)["transfers"].set_index(["method", "teacher"])
    views = [f"results/small/logits/transfer/{model}.npy" for model in ("test_mambaout.a", "test_byobnet.a")]
    student, teacher = (torch.from_numpy(np.load(finished / path)).float() for path in views)
    labels = read_table(finished / "results/small/images/transfer.parquet")["label"].to_numpy()
    known = [logits.softmax(dim=2)[:, range(200), labels] for logits in (student, teacher)]
    expected = (known[1] > known[0]).float().mean(dim=1)
    assert transfers.loc[("kl_dp", "test_byobnet.a"), "epoch_teacher_share"].tolist() == pytest.approx(
        expected.tolist()
    )
    assert set(transfers.loc[("kl", "test_byobnet.a"), "epoch_teacher_share"]) == {1.0}


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
