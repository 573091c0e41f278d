"""The atlas page in a browser: every number that it shows equals brute force."""

import html
import re
import shutil
import subprocess
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from transfer_atlas.complementarity.compare import compare
from transfer_atlas.complementarity.pair_table import compare_models
from transfer_atlas.logits.answers import Answers
from transfer_atlas.page.atlas import build_page

MARKUP = '<img src=x onerror="document.title=1">'
HOSTILE = "</script><script>document.title=2</script>"


@pytest.fixture
def chromium(tmp_path):
    """Open a page with the network off and return the tables of its DOM by id, and its other text by id."""
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("no chromium here")

    def look(page, **address):
        path = tmp_path / "atlas.html"
        path.write_text(page)
        command = [
            found,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            "--host-resolver-rules=MAP * ~NOTFOUND",
        ]
        command += ["--virtual-time-budget=20000", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
        done = subprocess.run(
            [*command, f"{path.as_uri()}#{urlencode(address)}"], capture_output=True, text=True, check=True, timeout=120
        )
        assert "CONSOLE" not in done.stderr, done.stderr
        body = done.stdout.split('<script type="application/json"')[0]
        tables = {
            name: [
                [html.unescape(re.sub("<.*?>", "", cell)) for cell in re.findall(r"<t[dh].*?>(.*?)</t[dh]>", row)]
                for row in re.findall(r"<tr.*?>(.*?)</tr>", rows, flags=re.S)
            ]
            for name, rows in re.findall(r'<table id="(\w+)">(.*?)</table>', body, flags=re.S)
        }
        texts = {name: html.unescape(text) for name, text in re.findall(r'<p id="(\w+)"[^>]*>(.*?)</p>', body)}
        return tables, texts, html.unescape(re.search("<title>(.*?)</title>", done.stdout)[1])

    return look


def study(models=6, images=1237, classes=7, seed=0):
    """Answers of models that err on the same hard images, with one class of 64 images and one of 65."""
    generator = np.random.default_rng(seed)
    labels = np.sort(generator.integers(0, classes, images))
    labels[:64], labels[64:129] = 0, 1
    labels[129:] = np.maximum(labels[129:], 2)
    labels = generator.permutation(labels)
    right = (
        generator.random((models, images)) < generator.beta(2, 1, images) * generator.uniform(0.5, 1, models)[:, None]
    )
    prediction = np.where(right, labels, (labels + generator.integers(1, classes, right.shape)) % classes)
    names = [MARKUP, *(f"model{number}.t" for number in range(1, models))]
    answers = Answers(names, labels, prediction, np.full(right.shape, np.nan, np.float32))
    described = pd.DataFrame(
        {
            "class": range(classes),
            "name": [HOSTILE, *map(str, range(1, classes))],
            "images": np.bincount(labels, minlength=classes),
        }
    )
    return answers, described, pd.DataFrame({"model": names, "family": None, "parameters": 1_000_000})


def page_of(answers, classes, models, deltas=None, expected=None):
    return build_page("x", answers, classes, models, compare_models(answers), deltas, expected)


def pair_of(answers, student, teacher, chosen):
    """What the table of a pair shows, by brute force."""
    a, b = answers.correct[student][chosen], answers.correct[teacher][chosen]
    return [f"{count:,}" for count in ((~a & b).sum(), (a & ~b).sum(), (a & b).sum(), (~a & ~b).sum())]


def test_a_pair_and_its_team_equal_brute_force(chromium):
    answers, classes, models = study()
    tables, _, title = chromium(page_of(answers, classes, models), student="model2.t", teacher=MARKUP)
    assert title == "Transfer Atlas: x"  # no name was read as markup
    everything = np.ones(len(answers.labels), bool)
    assert [row[1] for row in tables["pair"][1:5]] == pair_of(answers, 2, 0, everything)
    pairs = compare({f"m{number}": row for number, row in enumerate(answers.prediction)}, answers.labels)
    row = pairs.set_index(["student", "teacher"]).loc[("m2", "m0")]
    shown = {line[0]: line[2] for line in tables["pair"]}
    assert float(shown["error consistency"]) == pytest.approx(row["error_consistency"], abs=5e-5)
    assert float(shown["flip entropy (nats)"]) == pytest.approx(row["flip_entropy"], abs=5e-5)
    expected = float(shown["positive flips over expected, on all images"])
    assert expected == pytest.approx(row["flips_over_expected"], abs=0.0051)
    assert [line[0] for line in tables["teachers"][1:]].count(MARKUP) == 1
    for line in tables["teachers"][1:]:
        teacher = answers.models.index(line[0])
        flips = (~answers.correct[2] & answers.correct[teacher]).mean()
        assert float(line[1]) == pytest.approx(100 * flips, abs=0.0051)
    by_class = {line[0]: int(line[1]) for line in tables["byclass"][1:]}
    flips = ~answers.correct[2] & answers.correct[0]
    counted = np.bincount(answers.labels[flips], minlength=7)
    assert by_class == {classes["name"][label]: counted[label] for label in range(7) if counted[label]}
    check_team(answers, tables["team"], 2)


def check_team(answers, table, student):
    """The greedy team, its oracle and its vote."""
    members, known = [student], answers.correct[student].copy()
    for number, line in enumerate(table[1:]):
        if number:
            gains = [
                -1 if model in members else (answers.correct[model] & ~known).sum()
                for model in range(len(answers.models))
            ]
            members.append(int(np.argmax(gains)))
            known |= answers.correct[members[-1]]
        assert line[0] == answers.models[members[-1]]
        assert float(line[2]) == pytest.approx(100 * known.mean(), abs=0.0051)
        votes = answers.prediction[members]
        counts = (votes[:, None] == votes).sum(axis=1)  # votes for the class of each member, [members, images]
        winner = np.take_along_axis(votes, counts.argmax(axis=0)[None], axis=0)[0]  # of equal ones the first member's
        assert float(line[3]) == pytest.approx(100 * (winner == answers.labels).mean(), abs=0.0051)


def test_a_subset_of_classes_and_of_difficulty_changes_every_number(chromium):
    answers, classes, models = study()
    right = answers.correct.sum(axis=0)
    chosen = np.isin(answers.labels, [0, 1, 4]) & (right >= 1) & (right <= 4)
    address = {"student": "model1.t", "teacher": "model3.t", "classes": "0.1.4", "least": 1, "most": 4}
    tables, texts, _ = chromium(page_of(answers, classes, models), **address)
    assert texts["status"] == f"{chosen.sum():,} of 1,237 images."
    assert [row[1] for row in tables["pair"][1:5]] == pair_of(answers, 1, 3, chosen)
    assert float(tables["team"][1][2]) == pytest.approx(100 * answers.correct[1][chosen].mean(), abs=0.0051)


def test_two_models_and_a_class_without_images(chromium):
    answers, classes, models = study(models=2, images=200)
    classes = pd.concat([classes, pd.DataFrame({"class": [7], "name": ["empty"], "images": [0]})], ignore_index=True)
    tables, _, _ = chromium(page_of(answers, classes, models))
    assert [row[1] for row in tables["pair"][1:5]] == pair_of(answers, 0, 1, np.ones(200, bool))
    assert "positive flips over expected, on all images" not in [line[0] for line in tables["pair"]]
    _, texts, _ = chromium(page_of(answers, classes, models), classes="7")
    assert texts["status"] == "No image is left; choose other classes or numbers of models."


def test_measured_transfers_and_their_command_are_shown(chromium):
    answers, classes, models = study()
    deltas = pd.DataFrame(
        {"method": ["kl", "kl", "self"], "student": "model1.t", "teacher": ["model2.t", "gone.t", None]}
    )
    deltas = deltas.assign(delta=0.0123, delta_low=0.01, delta_high=0.02)
    page = page_of(answers, classes, models, deltas)
    tables, _, _ = chromium(page, student="model1.t", teacher="model2.t", measure="delta:kl")
    (line,) = (line for line in tables["teachers"] if line[0] == "model2.t")
    assert line[-1] == "+1.23 (kl)"
    assert "gone.t" not in page


def test_what_a_transfer_is_expected_to_give_is_shown(chromium):
    answers, classes, models = study()
    expected = pd.DataFrame({"student": "model1.t", "teacher": ["model2.t", "gone.t"], "method": "kl_dp"})
    expected = expected.assign(expected_delta=0.002, expected_low=-0.001, expected_high=0.005)
    page = page_of(answers, classes, models, expected=expected)
    tables, _, _ = chromium(page, student="model1.t")
    head, *lines = tables["teachers"]
    assert head[-1] == "expected delta (points)"
    shown = {line[0]: line[-1] for line in lines}
    assert shown["model2.t"] == "+0.20 (-0.10 to +0.50, kl_dp)"
    assert set(shown.values()) == {shown["model2.t"], ""}
    assert "gone.t" not in page


def test_public_networks_on_imagenet(chromium):
    folder = ROOT / "results/imagenet_public/predictions/evaluation"
    if not folder.exists():
        pytest.skip("the public ImageNet study was not made here: see docs/imagenet.md")
    from transfer_atlas.logits.answers import read_answers
    from transfer_atlas.store.tables import read_table

    answers = read_answers(str(folder))
    named = (read_table(folder.parents[1] / f"{name}.parquet") for name in ("classes", "models"))
    student, teacher = answers.models[3], answers.models[20]
    tables, _, _ = chromium(page_of(answers, *named), student=student, teacher=teacher)
    assert [row[1] for row in tables["pair"][1:5]] == pair_of(answers, 3, 20, np.ones(50_000, bool))
    check_team(answers, tables["team"], 3)


def test_the_same_data_give_the_same_page():
    answers, classes, models = study()
    assert page_of(answers, classes, models) == page_of(answers, classes, models)
    assert "PREDICTIONS@" not in page_of(answers, classes, models)
