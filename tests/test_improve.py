"""Improved students: the choice, the folder that timm loads, and no hindsight."""

import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import write_teacher
from safetensors.torch import load_file
from test_transfer import LABELS, PIXELS, SPEC, seeded

from transfer_atlas.errors import InputError
from transfer_atlas.recommend import improve
from transfer_atlas.recommend.improve import choose_candidate, improve_student
from transfer_atlas.store.tables import write_table
from transfer_atlas.study.improve import candidates_of, methods_to_try, pairs_to_try, teams_to_try
from transfer_atlas.transfer.block import run_block
from transfer_atlas.transfer.streams import StreamSpec, teach_in_stream
from transfer_atlas.transfer.teams import TeamSpec, teach_as_team

GEOMETRY = {"input_size": 32, "crop_pct": 1.0, "crop_mode": "center", "interpolation": "bilinear"}
CLASSES = [f"class {number}" for number in range(10)]
# what a reader of the card does: its lines, then the images through its transform
ASK = """
import numpy as np, sys, torch
from PIL import Image
pixels, labels = np.load("pixels.npy"), np.load("labels.npy")
with torch.inference_mode():
    logits = network(torch.stack([transform(Image.fromarray(image)) for image in pixels]))
assert "transfer_atlas" not in sys.modules
print((logits.argmax(dim=1).numpy() == labels).mean())
"""


def rows_of(*accuracies):
    return pd.DataFrame(
        {"method": "kl", "teacher": list("abcdefgh")[: len(accuracies)], "selected_accuracy": accuracies}
    )


def test_the_most_accurate_on_the_images_kept_apart_is_chosen():
    assert choose_candidate(rows_of(0.5, 0.7, np.nan, 0.7), 0.6)["teacher"] == "b"
    assert choose_candidate(rows_of(0.5, 0.6), 0.6) is None
    assert choose_candidate(rows_of(np.nan), 0.0) is None
    assert choose_candidate(rows_of(), 0.0) is None


def test_a_choice_of_random_teachers_gains_nothing_on_the_evaluation_images():
    """200 choices among 18 transfers that change images at random: the delta of the chosen is 0 within its interval.

    The same choice by the evaluation images themselves would seem to gain.
    """
    generator, chosen, hindsight = np.random.default_rng(0), [], []
    for _ in range(200):
        # each transfer makes three per cent of the images right and three wrong, whichever they are
        before = [generator.random(images) < 0.8 for images in (500, 2000)]
        drawn = [generator.random((18, len(split))) for split in before]
        after = [
            np.where(draw < 0.03, True, np.where(draw > 0.97, False, split))
            for draw, split in zip(drawn, before, strict=True)
        ]
        deltas = after[1].mean(axis=1) - before[1].mean()
        rows = pd.DataFrame({"selected_accuracy": after[0].mean(axis=1), "delta": deltas - deltas.mean()})
        chosen.append(choose_candidate(rows, 0.0)["delta"])
        hindsight.append(rows["delta"].max())
    error = np.std(chosen, ddof=1) / np.sqrt(200)
    assert abs(np.mean(chosen)) < 1.96 * error
    assert np.mean(hindsight) > 10 * error


@pytest.fixture
def improved(student_files, tmp_path):
    """Try two teachers and the labels, improve the student, and return its folder."""

    def make(row, labels=LABELS, names=CLASSES, beside=None):
        student = student_files(row, lambda: seeded(row, 1), PIXELS, labels)
        knowing = write_teacher(tmp_path, 10 * np.eye(10)[labels][None], labels, "knowing")
        wrong = write_teacher(tmp_path, 10 * np.eye(10)[(labels + 1) % 10][None], labels, "wrong")
        recipe = replace(SPEC, epochs=6, lr=0.04, select_share=0.2)
        specs = [
            replace(recipe, teacher="wrong"),
            replace(recipe, teacher="knowing"),
            replace(recipe, method="labels", teacher=None, target=None, label_weight=1.0),
            replace(recipe, method="rounding", teacher=None, target=None, label_weight=1.0, perturb_weights=1e-3),
            replace(
                recipe, method="rounding", teacher=None, target=None, label_weight=1.0, perturb_weights=1e-3, seed=1
            ),
        ]
        tables = [tmp_path / f"results/improve/{s.method}/s.t/{s.teacher}/{s.seed}.parquet" for s in specs]
        run_block(
            specs, tables, student, {"wrong": wrong, "knowing": knowing}, 10, "code", dict.fromkeys(tables, "best")
        )
        classes = pd.DataFrame({"class": range(10), "name": names, "images": np.bincount(labels, minlength=10)})
        write_table(classes, "classes", tmp_path / "classes.parquet")
        about = {"command": "snakemake x", "study": "x", "geometry": GEOMETRY, "classes": tmp_path / "classes.parquet"}
        about["models"] = [row, *({"model": name, "weights": "train:x"} for name in ("wrong", "knowing"))]
        weights = [path.with_suffix(".safetensors") for path in tables]
        choice = {"select_share": 0.2, "candidates": [] if beside else ["kl", "labels"]}
        folder, streams, teams = tmp_path / "results/students/s.t", ((), ()), ((), ())
        if beside == "team":
            table = tmp_path / "results/improve/teams/kl/s.t/both/0.parquet"
            spec = TeamSpec("parallel", "both", ("knowing", "wrong"), replace(recipe, teacher=None))
            teach_as_team(spec, table, student, {"knowing": knowing, "wrong": wrong}, [], 10, "code", "best")
            teams = [table], [table.with_suffix(".safetensors")]
        if beside == "stream":
            table = tmp_path / "results/streams/flips/s.t/0.parquet"
            spec = StreamSpec("flips", 2, 2.0, replace(recipe, teacher=None, epochs=12))
            teach_in_stream(spec, table, student, {"wrong": wrong, "knowing": knowing}, [], 10, "code", "last")
            streams = [table], [table.with_suffix(".safetensors")]
        improve_student(student, tables, weights, choice, about, folder, streams, teams)
        return folder

    return make


def run_card(folder, tmp_path):
    """Accuracy that the lines of the card lead to, in a process that never imports this package."""
    code = "\n".join(re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), flags=re.S))
    np.save(tmp_path / "pixels.npy", PIXELS)
    np.save(tmp_path / "labels.npy", LABELS)
    done = subprocess.run([sys.executable, "-c", code + ASK], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


@pytest.mark.parametrize("kind", ["resnet_row", "vit_row", "mixer_row"])
def test_the_lines_of_the_card_load_the_network_that_it_describes(improved, kind, request, tmp_path):
    rows = {
        "mixer_row": {
            "model": "s.t",
            "architecture": "timm.models.mlp_mixer.MlpMixer",
            "kwargs": {"patch_size": 8, "num_blocks": 1, "embed_dim": 16, "mlp_layer": "timm.layers.GatedMlp"},
            "weights": "train:x",
            "inference_batch_size": 64,
        }
    }
    row = rows[kind] if kind in rows else request.getfixturevalue(kind)
    folder = improved(row | {"model": "s.t"})
    card = (folder / "README.md").read_text()
    assert (folder / "config.json").exists() == (kind != "mixer_row")
    shown = re.search(r"evaluation images is ([\d.]+)%", card)
    assert run_card(folder, tmp_path) == pytest.approx(float(shown[1]) / 100, abs=1e-4)


def test_the_card_says_what_was_chosen_and_how_sure_it_is(improved, vit_row):
    folder = improved(vit_row | {"model": "s.t"})
    card = (folder / "README.md").read_text()
    assert re.search(r"s\.t was taught by ((knowing|wrong) with kl|its labels alone)", card)
    assert "On 60 evaluation images, which played no part in the choice." in card
    assert "12 transfer images that were kept apart" in card
    assert "3 transfers were compared" in card  # two teachers and the labels; not the repetitions
    assert "Rounding error of the student" in card
    assert "class " in card
    assert "nan" not in card
    before = (folder / "README.md").read_bytes(), (folder / "model.safetensors").read_bytes()
    folder = improved(vit_row | {"model": "s.t"})
    assert ((folder / "README.md").read_bytes(), (folder / "model.safetensors").read_bytes()) == before


def test_a_student_of_a_stream_may_be_the_improved_one(improved, vit_row, tmp_path, monkeypatch):
    monkeypatch.setattr(improve, "choose_candidate", lambda rows, before: rows.iloc[0])
    folder = improved(vit_row | {"model": "s.t"}, beside="stream")
    card = (folder / "README.md").read_text()
    assert "s.t was taught by knowing then wrong with kl." in card
    assert "method `kl`, teacher `knowing then wrong`, seed 0, epoch 24" in card
    assert "- knowing: not known" in card
    assert "- wrong: not known" in card
    assert "1 transfer was compared" in card
    student = load_file(tmp_path / "results/streams/flips/s.t/0.safetensors")
    exported = load_file(folder / "model.safetensors")
    assert all(torch.equal(exported[name], student[name]) for name in exported)
    assert not np.isnan(run_card(folder, tmp_path))


def test_the_student_of_a_team_may_be_the_improved_one(improved, vit_row, tmp_path, monkeypatch):
    monkeypatch.setattr(improve, "choose_candidate", lambda rows, before: rows.iloc[0])
    folder = improved(vit_row | {"model": "s.t"}, beside="team")
    card = (folder / "README.md").read_text()
    row = pd.read_parquet(tmp_path / "results/improve/teams/kl/s.t/both/0.parquet").iloc[0]
    assert "s.t was taught by knowing and wrong with kl." in card
    assert f"teacher `knowing and wrong`, seed 0, epoch {row['best_epoch']}" in card
    assert "- knowing: not known" in card
    assert "- wrong: not known" in card
    student = load_file(tmp_path / "results/improve/teams/kl/s.t/both/0.safetensors")
    exported = load_file(folder / "model.safetensors")
    assert all(torch.equal(exported[name], student[name]) for name in exported)
    images = len(LABELS)
    changed = re.search(r"\| the student before *\| *[+-][\d.]+ *\| *[\d.]+ *\| *(\d+) *\| *(\d+)", card)
    assert [int(count) for count in changed.groups()] == [
        round(images * row["best_gain"]),
        round(images * row["best_loss"]),
    ]


def test_a_folder_appears_whole_or_not_at_all(improved, vit_row, monkeypatch):
    def killed(network, row, geometry, names, folder):
        (folder / "model.safetensors").write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(improve, "export_network", killed)
        with pytest.raises(KeyboardInterrupt):
            improved(vit_row | {"model": "s.t"})
    folder = improved(vit_row | {"model": "s.t"})
    assert sorted(path.name for path in folder.parent.iterdir()) == ["s.t"]
    assert {path.name for path in folder.iterdir()} == {"README.md", "config.json", "model.safetensors"}


def test_where_nothing_helps_the_student_stays_as_it_is(improved, vit_row, monkeypatch, tmp_path):
    monkeypatch.setattr(improve, "choose_candidate", lambda rows, before: None)
    folder = improved(vit_row | {"model": "s.t"})
    card = (folder / "README.md").read_text()
    assert card.count("# s.t, unchanged") == 1
    assert "No transfer made s.t more accurate on the images that were kept apart for the choice." in card
    assert "+0.00" in card


METHODS = {
    "kl": {"target": "teacher", "perturb_weights": 0.0},
    "again": {"target": "teacher", "perturb_weights": 1e-7},
    "self": {"target": "student", "perturb_weights": 0.0},
    "labels": {"label_weight": 1.0, "perturb_weights": 0.0},
    "random": {"target": "shuffled", "perturb_weights": 0.0},
    "rounding": {"label_weight": 1.0, "perturb_weights": 1e-7},
}


def test_methods_that_are_tried():
    tried = methods_to_try({"select_share": 0.3}, METHODS)
    assert list(tried) == ["kl", "self", "labels", "rounding"]
    assert {(method["select_share"], method["keep_weights"]) for method in tried.values()} == {(0.3, "best")}
    assert candidates_of(tried) == ["kl", "labels"]
    with pytest.raises(InputError, match=r"config key 'improve\.methods': no method 'kll'; did you mean kl"):
        methods_to_try({"select_share": 0.3, "methods": ["kll"]}, METHODS)
    with pytest.raises(
        InputError, match=r"config key 'improve\.methods': 'self' is a control; name methods that have a teacher"
    ):
        methods_to_try({"select_share": 0.3, "methods": ["self"]}, METHODS)


def test_teachers_that_are_tried():
    pairs = [{"student": "a", "teacher": "b"}]
    assert pairs_to_try({}, pairs, ["a", "b", "c"]) == pairs
    assert pairs_to_try({}, None, ["a", "b", "c"]) == []
    named = pairs_to_try({"teachers": ["b"]}, pairs, ["a", "b", "c"])
    assert named == [{"student": "a", "teacher": "b"}, {"student": "c", "teacher": "b"}]
    with pytest.raises(InputError, match=r"config key 'improve\.teachers': model 'd' is not in the zoo"):
        pairs_to_try({"teachers": ["d"]}, pairs, ["a", "b", "c"])


def test_teams_that_are_tried():
    methods = {name: method | {"seeds": [0, 1]} for name, method in METHODS.items()}
    methods["crd"] = {"contrast": "crd", "perturb_weights": 0.0, "seeds": [0]}  # needs features
    section = {"teams": {"pair": ["a", "b"]}}
    expected = [("kl", student, "pair", seed) for student in "cd" for seed in (0, 1)]
    assert teams_to_try(section, methods, ["a", "b", "c", "d"]) == expected
    assert teams_to_try({}, methods, ["a", "b"]) == []
    with pytest.raises(InputError, match=r"config key 'improve\.teams\.pair': model 'b' is not in the zoo"):
        teams_to_try(section, methods, ["a", "c"])
    with pytest.raises(InputError, match="none of the methods that are tried learns from logits alone"):
        teams_to_try(section, {"labels": methods["labels"]}, ["a", "b", "c"])
