"""The real workflow: tables, figures, resuming, and what runs again when. The last tests change the study."""

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
)

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
