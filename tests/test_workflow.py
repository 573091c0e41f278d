"""The real workflow: what runs when, what is refused, and that a killed study ends like an undisturbed one."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import FASHION, ROOT

from transfer_atlas.tables import read_metadata, read_table

SNAKEMAKE = Path(sys.executable).with_name("snakemake")
FIGURES_OF_PAIRS = {
    "complementarity",
    "flips_by_class",
    "flip_entropy",
    "class_similarity",
    "pair_matrix",
    "pair_accuracy",
}
FIGURES_OF_TRANSFERS = {"success_rate", "transfer_delta", "transfer_rate"}
TABLES = ("models", "complementarity", "pairs", "transfers")

# the embedded study with the same rules and code, cut down to three small models and two pairs
SMALL = {
    "study": "small",
    "images": {"transfer_images": 200},
    "zoo": {
        "sheet": "config/small_zoo.tsv",
        "recipes": {"short": {"epochs": 1, "optimizer": "adamw", "lr": 0.002, "batch_size": 256}},
    },
    "pairs": {"students": ["test_mambaout.a"], "teachers": ["test_byobnet.a", "test_convnext.a"]},
    "transfer": {"epochs": 2},
}
SMALL_ZOO = """model\tarchitecture\tweights\tbatch_size
test_mambaout.a\ttest_mambaout\ttrain:short\t500
test_byobnet.a\ttest_byobnet\ttrain:short\t500
test_convnext.a\ttest_convnext3\ttrain:short\t500
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A copy of the repository's tracked and new files, with the small study in it."""
    copy = tmp_path_factory.mktemp("clone") / "transfer-atlas"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    (copy / "config/small_zoo.tsv").write_text(SMALL_ZOO)
    (copy / "config/small.yaml").write_text(yaml.safe_dump(SMALL))
    return copy


def snakemake(folder, *arguments, overlay="config/small.yaml", check=True):
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}  # the clone's package, not the installed one
    # --configfile and --quiet take what follows, so targets come before them
    command = [SNAKEMAKE, "--cores", "2", *arguments, *(["--configfile", overlay] if overlay else [])]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


def planned(folder, *arguments, overlay="config/small.yaml"):
    """Jobs per rule of a dry run; blocks of transfers counted together."""
    text = snakemake(folder, *arguments, "--dry-run", "--quiet", "rules", overlay=overlay).stdout
    jobs = {}
    table = text.split("Job stats:")[1] if "Job stats:" in text else ""  # it is printed twice
    for rule, count in re.findall(r"^(\w+) +(\d+)$", table, flags=re.M):
        rule = re.sub(r"_\d+$", "", rule)
        jobs[rule] = jobs.get(rule, 0) + int(count)
    return {rule: count for rule, count in jobs.items() if rule not in ("all", "total")}


def overlay_of(folder, name, change):
    """Write the small study with some keys changed and return the path of the overlay."""
    small = yaml.safe_load((folder / "config/small.yaml").read_text())
    for key, value in change.items():
        *parents, last = key.split(".")
        section = small
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = value
    (folder / f"config/{name}.yaml").write_text(yaml.safe_dump(small))
    return f"config/{name}.yaml"


def test_the_default_study_plans_every_job(clone):
    jobs = planned(clone, overlay=None)
    assert jobs["train_model"] == jobs["compute_logits"] == 12
    assert jobs["transfer_knowledge"] == 4 * 3 + 4  # students x methods with 5 teachers each, and the controls
    assert jobs["compare_models"] == jobs["gather_transfers"] == jobs["plot_success_rate"] == 1


def test_lint_is_clean(clone):
    assert "Congratulations" in snakemake(clone, "--lint", overlay=None).stderr


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("transfer.epoch", 3, "config: unknown key 'transfer.epoch'; did you mean epochs?"),
        ("transfer.methods", {"kl": {"target": "tutor"}}, "'tutor' is not one of teacher, student, most_confident"),
        ("pairs.teachers", ["test_byobnet.b"], "config key 'pairs.teachers': model 'test_byobnet.b' is not in the zoo"),
        ("images.root", "nowhere", "images.root: no file matches nowhere/train.parquet"),
        ("zoo.sheet", "config/none.tsv", "config/none.tsv: cannot be read (No such file or directory)"),
    ],
)
def test_a_mistake_is_one_line_before_anything_runs(clone, key, value, line):
    overlay = overlay_of(clone, "mistake", {key: value})
    done = snakemake(clone, overlay=overlay, check=False)
    assert done.returncode == 1
    assert sum(line in text for text in (done.stdout + done.stderr).splitlines()) == 1
    assert "Traceback" not in done.stdout + done.stderr


def test_cifar100_overlay_takes_another_root(clone):
    """The overlay plans the whole study on files in the Hugging Face layout at a root given on the command line."""
    for split in ("train", "test"):
        shutil.copy(FASHION / f"{split}.parquet", clone / f"{split}.parquet")
    jobs = planned(clone, "--config", f"images={{root: {clone}}}", overlay="config/cifar100.yaml")
    assert jobs["train_model"] == 12


@pytest.fixture(scope="module")
def finished(clone):
    """The small study, run once."""
    snakemake(clone)
    return clone


def tables_of(folder, study="small"):
    return {table: read_table(folder / f"results/{study}/{table}.parquet") for table in TABLES}


def test_the_study_ends_with_tables_figures_and_summary(finished):
    results = finished / "results/small"
    tables = tables_of(finished)
    assert len(tables["complementarity"]) == 6
    assert (tables["complementarity"]["positive_flips"] > 0).all()
    assert tables["transfers"]["method"].value_counts().to_dict() == {
        "kl": 2,
        "kl_dp": 2,
        "kl_dp_u": 2,
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
    assert abs(itself["delta"]) <= 0.001


def test_notebooks_run_on_the_results(finished):
    environment = {**os.environ, "TRANSFER_ATLAS_RESULTS": "results/small", "PYTHONPATH": str(finished / "src")}
    for notebook in sorted((finished / "notebooks").glob("*.py")):
        command = [sys.executable, notebook]
        done = subprocess.run(command, cwd=finished, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "test_mambaout.a" in done.stdout


def test_results_carry_their_recipe(finished):
    path = finished / "results/small/transfers/kl_dp/test_mambaout.a/test_byobnet.a/0.parquet"
    metadata = read_metadata(path)
    assert metadata["recipe"]["epochs"] == 2
    assert metadata["recipe"]["confidence"] == "label"
    assert metadata["seconds"] > 0


def test_a_finished_study_does_nothing(finished):
    assert planned(finished) == {}


def test_a_deleted_figure_is_one_job(finished):
    figure = finished / "results/small/figures/complementarity.pdf"
    figure.unlink()
    assert planned(finished, "results/small/figures/complementarity.pdf") == {"plot_complementarity": 1}
    snakemake(finished, "results/small/figures/complementarity.pdf")
    assert planned(finished) == {}


def test_other_epochs_rerun_transfers_and_what_reads_them(finished):
    jobs = planned(finished, overlay=overlay_of(finished, "epochs", {"transfer.epochs": 3}))
    assert jobs == {
        "write_config": 1,
        "transfer_knowledge": 4,
        "gather_transfers": 1,
        "summarise_transfers": 1,
        **{f"plot_{figure}": 1 for figure in FIGURES_OF_TRANSFERS},
    }


def test_an_edited_figure_module_reruns_that_figure(finished):
    module = finished / "src/transfer_atlas/figures/transfer_rate.py"
    before = module.read_text()
    module.write_text(before + "\n# edited\n")
    assert planned(finished) == {"plot_transfer_rate": 1}
    module.write_text(before)


def test_a_new_model_computes_its_own_logits_and_what_compares_all(finished):
    sheet = finished / "config/small_zoo.tsv"
    sheet.write_text(SMALL_ZOO + "test_resnet.a\ttest_resnet\ttrain:short\t500\n")
    jobs = planned(finished)
    sheet.write_text(SMALL_ZOO)
    assert jobs == {
        "train_model": 1,
        "compute_logits": 1,
        "describe_zoo": 1,
        "embed_classes": 1,
        "compare_models": 1,
        **{f"plot_{figure}": 1 for figure in FIGURES_OF_PAIRS | {"transfer_delta", "transfer_rate"}},
    }


def test_a_new_method_takes_config_lines_and_runs_alone(finished):
    mixed = {"target": "most_confident", "confidence": "max", "label_weight": 0.5}
    overlay = overlay_of(finished, "mixed", {"transfer.methods": {"mixed": mixed}})
    jobs = planned(finished, overlay=overlay)
    assert jobs["transfer_knowledge"] == 1
    assert "compute_logits" not in jobs


def test_a_failed_job_says_why_in_one_line_and_loses_nothing(finished):
    overlay = overlay_of(finished, "broken", {"zoo.sheet": "config/broken.tsv"})
    (finished / "config/broken.tsv").write_text(SMALL_ZOO + "test_resnet.a\ttest_resnt\ttrain:short\t500\n")
    done = snakemake(finished, overlay=overlay, check=False)
    assert done.returncode == 1
    assert (
        "error: model test_resnet.a: timm has no architecture 'test_resnt'; did you mean" in done.stdout + done.stderr
    )
    assert len(list((finished / "results/small/predictions/evaluation").iterdir())) == 3


@pytest.fixture(scope="module")
def leaderboard(clone):
    """Predictions made elsewhere: 5 models in CSV files, class names, shuffled rows."""
    generator = np.random.default_rng(0)
    label = generator.integers(0, 12, 600)
    names = np.array([f"class {letter}" for letter in "ABCDEFGHIJKL"])
    (clone / "predictions").mkdir()
    for model, accuracy in zip("abcde", (0.5, 0.6, 0.7, 0.8, 0.9), strict=True):
        prediction = np.where(generator.random(600) < accuracy, label, (label + generator.integers(1, 4, 600)) % 12)
        table = pd.DataFrame({"image": range(600), "truth": names[label], "prediction": names[prediction]})
        table = table.assign(confidence=generator.random(600)).sample(frac=1, random_state=ord(model))
        table.to_csv(clone / f"predictions/{model}.csv", index=False)
    predictions = {"files": "predictions/*.csv", "columns": {"label": "truth"}}
    overlay = {"study": "leaderboard", "predictions": predictions}
    (clone / "config/leaderboard.yaml").write_text(yaml.safe_dump(overlay))
    return clone


def test_predictions_from_elsewhere_end_with_the_figures_of_pairs(leaderboard):
    snakemake(leaderboard, overlay="config/leaderboard.yaml")
    results = leaderboard / "results/leaderboard"
    pairs = read_table(results / "complementarity.parquet")
    assert len(pairs) == 20
    strongest = pairs.set_index(["student", "teacher"]).loc[("a", "e")]
    assert strongest["accuracy_difference"] == pytest.approx(0.4, abs=0.06)
    assert strongest["confidence_accuracy"] < strongest["oracle_accuracy"]
    assert pairs["top50_similarity"].notna().all()
    assert {path.stem for path in (results / "figures").iterdir()} == FIGURES_OF_PAIRS
    assert planned(leaderboard, overlay="config/leaderboard.yaml") == {}


def test_a_faulty_file_of_predictions_is_one_line(leaderboard):
    text = (leaderboard / "predictions/c.csv").read_text().splitlines()
    (leaderboard / "predictions/c.csv").write_text("\n".join(text[:-1]) + "\n")
    done = snakemake(leaderboard, overlay="config/leaderboard.yaml", check=False)
    assert done.returncode == 1
    assert re.search(r"error: model c: image '\d+' is missing, as are 1 of 600 images", done.stdout + done.stderr)
    overlay = yaml.safe_load((leaderboard / "config/leaderboard.yaml").read_text()) | {"on_error": "exclude"}
    (leaderboard / "config/exclude.yaml").write_text(yaml.safe_dump(overlay))
    snakemake(leaderboard, overlay="config/exclude.yaml")
    models = read_table(leaderboard / "results/leaderboard/models.parquet").set_index("model")
    assert models["excluded"].to_dict() == {"a": False, "b": False, "c": True, "d": False, "e": False}
    assert "is missing" in models.loc["c", "remark"]
    assert len(read_table(leaderboard / "results/leaderboard/complementarity.parquet")) == 12


def test_a_killed_study_resumes_to_the_same_tables(finished):
    """kill -9 of snakemake and its jobs twice, then the same command: the tables equal an undisturbed run's."""
    overlay = overlay_of(finished, "killed", {"study": "killed"})
    command = [SNAKEMAKE, "--cores", "2", "--configfile", overlay]
    environment = {**os.environ, "PYTHONPATH": str(finished / "src")}
    for seconds in (20, 35):
        process = subprocess.Popen(
            command,
            cwd=finished,
            env=environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    snakemake(finished, overlay=overlay)
    undisturbed, resumed = tables_of(finished), tables_of(finished, "killed")
    for table in TABLES:
        pd.testing.assert_frame_equal(undisturbed[table], resumed[table], check_exact=True)
