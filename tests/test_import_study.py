"""A study of predictions made elsewhere, through the real workflow."""

import os
import re
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
import yaml
from running import FIGURES_OF_PAIRS, ROOT, SNAKEMAKE, copy_repository, planned, share_kernels, snakemake

import transfer_atlas
from transfer_atlas.store.tables import read_table

BLOCKS_TORCH = """
import sys
from importlib.abc import MetaPathFinder

class Blocked(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "timm", "torchvision"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A copy whose package is what the wheel holds, without torch: an editable install would hide what is missing."""
    clone, built = (tmp_path_factory.mktemp("imported") / name for name in ("transfer-atlas", "wheel"))
    copy_repository(clone)
    subprocess.run([SNAKEMAKE.with_name("uv"), "build", "--quiet", "--wheel", "--out-dir", built, clone], check=True)
    shutil.rmtree(clone / "src")
    zipfile.ZipFile(next(built.glob("*.whl"))).extractall(clone / "src")
    share_kernels(clone)
    (clone / "src/sitecustomize.py").write_text(BLOCKS_TORCH)
    return clone


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
    used = yaml.safe_load((results / "config.yaml").read_text())
    assert set(used) == {"study", "on_error", "predictions", "complementarity"}
    assert planned(leaderboard, overlay="config/leaderboard.yaml") == {}
    file = leaderboard / "predictions/e.csv"
    before = file.read_text()
    file.write_text(before.replace("class A", "class B"))
    os.utime(file, (0, 0))
    assert planned(leaderboard, overlay="config/leaderboard.yaml")["import_predictions"] == 1
    file.write_text(before)
    os.utime(file, (0, 0))
    assert planned(leaderboard, overlay="config/leaderboard.yaml") == {}


def test_a_comparison_in_parts_serves_figures_page_and_recommendations(leaderboard):
    overlay = yaml.safe_load((leaderboard / "config/leaderboard.yaml").read_text())
    overlay |= {"study": "parts", "complementarity": {"students_per_file": 2}}
    (leaderboard / "config/parts.yaml").write_text(yaml.safe_dump(overlay))
    results = leaderboard / "results/parts"
    wanted = ["all", "results/parts/atlas.html", "results/parts/recommend/b.txt"]
    wanted.append("results/parts/tables/complementarity.html")
    snakemake(leaderboard, *wanted, overlay="config/parts.yaml")
    names = [f"part-0000{number}.parquet" for number in range(3)]
    assert sorted(path.name for path in (results / "complementarity.parquet").glob("*.parquet")) == names
    snakemake(leaderboard, "results/leaderboard/complementarity.parquet", overlay="config/leaderboard.yaml")
    whole = read_table(leaderboard / "results/leaderboard/complementarity.parquet")
    pd.testing.assert_frame_equal(read_table(results / "complementarity.parquet"), whole)
    assert {path.stem for path in (results / "figures").iterdir()} == FIGURES_OF_PAIRS
    assert "parts: 5 of 5 models, drawn at random" in (results / "atlas.html").read_text()
    assert len(transfer_atlas.read_study(results)["complementarity"]) == 20
    best = read_table(results / "recommend/b.parquet")["teacher"].to_list()
    assert best == whole[whole["student"] == "b"].sort_values("positive_flips", ascending=False)["teacher"].to_list()
    assert planned(leaderboard, *wanted, overlay="config/parts.yaml") == {}
    for notebook in ("notebooks/01_zoo_and_pairs.py", "notebooks/02_one_pair.py"):
        assert run_notebook(leaderboard, notebook, "parts").stderr == ""
    # handed over to somebody else
    (leaderboard / "results/handed_over").mkdir()
    for table in ("models.parquet", "classes.parquet", "complementarity.parquet", "complementarity_sample.parquet"):
        copy = shutil.copytree if (results / table).is_dir() else shutil.copy2
        copy(results / table, leaderboard / "results/handed_over" / table)
    figure = "results/handed_over/figures/pair_matrix.png"
    snakemake(leaderboard, figure, "--config", "study=handed_over", "tables=given", overlay=None)
    assert (leaderboard / figure).stat().st_size > 1000
    (results / "complementarity.parquet" / names[1]).unlink()
    done = snakemake(leaderboard, "results/parts/recommend/c.txt", overlay="config/parts.yaml", check=False)
    assert "part-00001.parquet: missing; remove the folder results/parts" in done.stdout + done.stderr
    done = snakemake(leaderboard, "results/parts/recommend/z.txt", overlay="config/parts.yaml", check=False)
    assert done.returncode == 1


def test_the_config_in_the_results_folder_is_the_study(leaderboard):
    snakemake(leaderboard, overlay="config/leaderboard.yaml")
    assert planned(leaderboard, overlay="results/leaderboard/config.yaml") == {}


def run_notebook(clone, notebook, study):
    environment = {"TRANSFER_ATLAS_RESULTS": f"results/{study}", "PYTHONPATH": str(clone / "src")}
    command, environment = [sys.executable, notebook], {**os.environ, **environment}
    return subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)


def test_notebooks_run_on_a_study_of_predictions_as_far_as_it_goes(leaderboard):
    snakemake(leaderboard, "all", "results/leaderboard/zoo_predictions.parquet", overlay="config/leaderboard.yaml")
    lines = {}
    for notebook in sorted((leaderboard / "notebooks").glob("*.py")):
        done = run_notebook(leaderboard, notebook, "leaderboard")
        lines[notebook.stem] = done.stderr.strip()
        assert "Teachers for" in done.stdout or "choose" not in notebook.stem
    assert not lines["01_zoo_and_pairs"]
    assert not lines["02_one_pair"]
    for notebook in ("03_transfers", "04_choose_a_teacher"):
        assert re.fullmatch(
            r"results/leaderboard: has no transfers yet, or holds predictions alone; .*", lines[notebook]
        )


# what `snakedeploy deploy-workflow` writes, with a local repository in place of one on GitHub
DEPLOYED = """configfile: "config/config.yaml"

module transfer_atlas:
    snakefile:
        gitfile("{repository}", path="workflow/Snakefile", ref="HEAD")
    config:
        config

use rule * from transfer_atlas
"""


def test_the_workflow_is_deployed_from_git(leaderboard, tmp_path):
    snakemake(leaderboard, overlay="config/leaderboard.yaml")
    repository, folder = tmp_path / "repository", tmp_path / "deployed"
    copy_repository(repository)
    identity = ["-c", "user.name=name", "-c", "user.email=name@example.org"]
    for command in (["init", "--quiet"], ["add", "."], [*identity, "commit", "--quiet", "--message", "all"]):
        subprocess.run(["git", *command], cwd=repository, check=True)
    for name in ("config", "profiles", "predictions"):
        shutil.copytree(leaderboard / name, folder / name)
    shutil.copy(folder / "config/leaderboard.yaml", folder / "config/config.yaml")
    (folder / "src").symlink_to(leaderboard / "src")  # as if it were installed
    (folder / "workflow").mkdir()
    (folder / "workflow/Snakefile").write_text(DEPLOYED.format(repository=repository))
    table = "results/leaderboard/complementarity.parquet"
    snakemake(folder, table, overlay=None)
    pd.testing.assert_frame_equal(read_table(leaderboard / table), read_table(folder / table))
    for name in ("results", ".snakemake"):
        shutil.rmtree(folder / name)
    shutil.copytree(leaderboard / "results", folder / "results")
    assert planned(folder, overlay=None) == {}


def test_a_study_lies_in_any_folder(leaderboard, tmp_path):
    shutil.copytree(leaderboard / "predictions", tmp_path / "run [1]")
    study = yaml.safe_load((leaderboard / "config/leaderboard.yaml").read_text())
    study["predictions"]["files"] = "run [[]1]/*.csv"
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    table = "results/leaderboard/models.parquet"
    snakemake(leaderboard, table, "--directory", tmp_path, overlay=str(tmp_path / "study.yaml"))
    assert read_table(tmp_path / table)["model"].to_list() == list("abcde")


def test_a_faulty_file_of_predictions_is_one_line(leaderboard):
    text = (leaderboard / "predictions/c.csv").read_text().splitlines()
    (leaderboard / "predictions/c.csv").write_text("\n".join(text[:-1]) + "\n")
    wanted = [f"results/leaderboard/{table}.parquet" for table in ("models", "complementarity")]
    done = snakemake(leaderboard, *wanted, overlay="config/leaderboard.yaml", check=False)
    assert done.returncode == 1
    assert re.search(r"error: model c: image '\d+' is missing, as are 1 of 600 images", done.stdout + done.stderr)
    overlay = yaml.safe_load((leaderboard / "config/leaderboard.yaml").read_text()) | {"on_error": "exclude"}
    (leaderboard / "config/exclude.yaml").write_text(yaml.safe_dump(overlay))
    snakemake(leaderboard, *wanted, overlay="config/exclude.yaml")
    models = read_table(leaderboard / "results/leaderboard/models.parquet").set_index("model")
    assert models["excluded"].to_dict() == {"a": False, "b": False, "c": True, "d": False, "e": False}
    assert "is missing" in models.loc["c", "remark"]
    assert len(read_table(leaderboard / "results/leaderboard/complementarity.parquet")) == 12


def test_the_wheel_is_what_runs_and_reads_a_study_without_torch(clone):
    package = clone / "src/transfer_atlas"
    environment = {**os.environ, "PYTHONPATH": str(clone / "src")}
    modules = [f"transfer_atlas.study.{path.stem}" for path in (package / "study").glob("[a-z]*.py")]
    check = f"import {', '.join(modules)}; assert transfer_atlas.__path__ == [{str(package)!r}]"
    subprocess.run([sys.executable, "-c", check], env=environment, check=True)
    check = "import torch"
    assert subprocess.run([sys.executable, "-c", check], env=environment, capture_output=True, check=False).returncode


def test_every_room_and_its_data_are_in_the_wheel(clone):
    listed = {str(path.relative_to(clone / "src")) for path in (clone / "src").rglob("*") if path.is_file()}
    ours = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src/transfer_atlas").rglob("*") if path.is_file()}
    assert {name for name in ours if "__pycache__" not in name} <= listed
