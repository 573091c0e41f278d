"""A study of predictions made elsewhere, through the real workflow."""

import os
import re
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
import yaml
from running import FIGURES_OF_PAIRS, ROOT, SNAKEMAKE, copy_repository, planned, snakemake

from transfer_atlas.tables import read_table


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    return copy_repository(tmp_path_factory.mktemp("imported") / "transfer-atlas")


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


@pytest.fixture(scope="module")
def wheel(clone, tmp_path_factory):
    """The package as a wheel has it, unpacked: an editable install would hide what is missing in it."""
    folder = tmp_path_factory.mktemp("wheel")
    uv = SNAKEMAKE.with_name("uv")
    subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", folder, clone], check=True)
    (built,) = folder.glob("*.whl")
    zipfile.ZipFile(built).extractall(folder / "site")
    return folder / "site"


BLOCKS_TORCH = """
import sys
from importlib.abc import MetaPathFinder

class Blocked(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "timm", "torchvision"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
"""


def test_a_study_of_predictions_runs_from_the_wheel_without_torch(wheel, leaderboard):
    (wheel / "sitecustomize.py").write_text(BLOCKS_TORCH)
    overlay = yaml.safe_load((leaderboard / "config/leaderboard.yaml").read_text())
    overlay |= {"study": "wheel", "on_error": "exclude"}
    (leaderboard / "config/wheel.yaml").write_text(yaml.safe_dump(overlay))
    command = [SNAKEMAKE, "--cores", "2", "--configfile", "config/wheel.yaml"]
    environment = {**os.environ, "PYTHONPATH": str(wheel)}
    done = subprocess.run(command, cwd=leaderboard, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(read_table(leaderboard / "results/wheel/complementarity.parquet")) in (12, 20)  # one file may be faulty
    for module in ("config", "sheet", "pairs", "plan", "sources", "lock", "gpus", "code"):
        check = f"import transfer_atlas.study.{module} as m; assert m.__file__.startswith({str(wheel)!r})"
        subprocess.run([sys.executable, "-c", check], env=environment, check=True)


def test_every_room_and_its_data_are_in_the_wheel(wheel):
    listed = {str(path.relative_to(wheel)) for path in (wheel / "transfer_atlas").rglob("*") if path.is_file()}
    ours = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src/transfer_atlas").rglob("*") if path.is_file()}
    assert {name for name in ours if "__pycache__" not in name} <= listed
