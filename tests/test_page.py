"""The atlas page in a browser: every number that it shows equals brute force."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from browsing import settle, table_of
from conftest import ROOT

from transfer_atlas.complementarity.compare import compare
from transfer_atlas.complementarity.pair_table import compare_models
from transfer_atlas.logits.zoo_predictions import ZooPredictions
from transfer_atlas.page.atlas import PARTS, build_page

MARKUP = '<img src=x onerror="document.title=1">'
HOSTILE = "</script><script>document.title=2</script>"


def study(models=6, images=1237, classes=7, seed=0):
    """ZooPredictions of models that err on the same hard images, with one class of 64 images and one of 65."""
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
    predicted = ZooPredictions(names, labels, prediction, np.full(right.shape, np.nan, np.float32))
    described = pd.DataFrame(
        {
            "class": range(classes),
            "name": [HOSTILE, *map(str, range(1, classes))],
            "images": np.bincount(labels, minlength=classes),
        }
    )
    return predicted, described, pd.DataFrame({"model": names, "family": None, "parameters": 1_000_000})


def page_of(predicted, classes, models, deltas=None, expected=None):
    return build_page("x", predicted, classes, models, compare_models(predicted), deltas, expected)


def pair_of(predicted, student, teacher, chosen):
    """What the table of a pair shows, by brute force."""
    a, b = predicted.correct[student][chosen], predicted.correct[teacher][chosen]
    return [f"{count:,}" for count in ((~a & b).sum(), (a & ~b).sum(), (a & b).sum(), (~a & ~b).sum())]


def test_a_pair_and_its_team_equal_brute_force(chromium):
    predicted, classes, models = study()
    tables, _, title = chromium(page_of(predicted, classes, models), student="model2.t", teacher=MARKUP)
    assert title == "Transfer Atlas: x"  # no name was read as markup
    everything = np.ones(len(predicted.labels), bool)
    assert [row[1] for row in tables["pair"][1:5]] == pair_of(predicted, 2, 0, everything)
    pairs = compare({f"m{number}": row for number, row in enumerate(predicted.prediction)}, predicted.labels)
    row = pairs.set_index(["student", "teacher"]).loc[("m2", "m0")]
    shown = {line[0]: line[2] for line in tables["pair"]}
    assert float(shown["error consistency"]) == pytest.approx(row["error_consistency"], abs=5e-5)
    assert float(shown["flip entropy (nats)"]) == pytest.approx(row["flip_entropy"], abs=5e-5)
    expected = float(shown["positive flips over expected, on all images"])
    assert expected == pytest.approx(row["flips_over_expected"], abs=0.0051)
    assert [line[0] for line in tables["teachers"][1:]].count(MARKUP) == 1
    for line in tables["teachers"][1:]:
        teacher = predicted.models.index(line[0])
        flips = (~predicted.correct[2] & predicted.correct[teacher]).mean()
        assert float(line[1]) == pytest.approx(100 * flips, abs=0.0051)
    by_class = {line[0]: int(line[1]) for line in tables["byclass"][1:]}
    flips = ~predicted.correct[2] & predicted.correct[0]
    counted = np.bincount(predicted.labels[flips], minlength=7)
    assert by_class == {classes["name"][label]: counted[label] for label in range(7) if counted[label]}
    check_team(predicted, tables["team"], 2)


def check_team(predicted, table, student):
    """The greedy team, its oracle and its vote."""
    members, known = [student], predicted.correct[student].copy()
    for number, line in enumerate(table[1:]):
        if number:
            gains = [
                -1 if model in members else (predicted.correct[model] & ~known).sum()
                for model in range(len(predicted.models))
            ]
            members.append(int(np.argmax(gains)))
            known |= predicted.correct[members[-1]]
        assert line[0] == predicted.models[members[-1]]
        assert float(line[2]) == pytest.approx(100 * known.mean(), abs=0.0051)
        votes = predicted.prediction[members]
        counts = (votes[:, None] == votes).sum(axis=1)  # votes for the class of each member, [members, images]
        winner = np.take_along_axis(votes, counts.argmax(axis=0)[None], axis=0)[0]  # of equal ones the first member's
        assert float(line[3]) == pytest.approx(100 * (winner == predicted.labels).mean(), abs=0.0051)


def test_a_subset_of_classes_and_of_difficulty_changes_every_number(chromium):
    predicted, classes, models = study()
    right = predicted.correct.sum(axis=0)
    chosen = np.isin(predicted.labels, [0, 1, 4]) & (right >= 1) & (right <= 4)
    address = {"student": "model1.t", "teacher": "model3.t", "classes": "0.1.4", "least": 1, "most": 4}
    tables, texts, _ = chromium(page_of(predicted, classes, models), **address)
    assert texts["status"] == f"{chosen.sum():,} of 1,237 images."
    assert [row[1] for row in tables["pair"][1:5]] == pair_of(predicted, 1, 3, chosen)
    assert float(tables["team"][1][2]) == pytest.approx(100 * predicted.correct[1][chosen].mean(), abs=0.0051)


def test_a_student_is_chosen_by_typing_and_images_by_search(opened):
    predicted, classes, models = study()
    tab = opened(page_of(predicted, classes, models))
    student = tab.get_by_role("combobox", name="Student")
    student.fill("")
    student.press_sequentially("model4.t")
    student.press("Enter")
    tab.get_by_role("combobox", name="Teacher").fill("model1.t")
    tab.get_by_role("combobox", name="Teacher").press("Tab")
    settle(tab)
    everything = np.ones(len(predicted.labels), bool)
    assert [row[1] for row in table_of(tab, "pair")[1:5]] == pair_of(predicted, 4, 1, everything)
    assert "student=model4.t&teacher=model1.t" in tab.url
    tab.get_by_role("textbox", name="Classes").fill("5")
    listed = tab.get_by_role("listbox", name="Classes; none selected means all")
    assert [option.text_content() for option in listed.locator("option").all() if option.is_visible()] == ["5"]
    listed.select_option("5")
    tab.get_by_role("spinbutton", name="that at least").fill("2")
    tab.get_by_role("spinbutton", name="that at least").press("Enter")
    settle(tab)
    chosen = (predicted.labels == 5) & (predicted.correct.sum(axis=0) >= 2)
    assert tab.text_content("#status") == f"{chosen.sum()} of 1,237 images."
    assert [row[1] for row in table_of(tab, "pair")[1:5]] == pair_of(predicted, 4, 1, chosen)
    tab.get_by_role("button", name="All images").click()
    settle(tab)
    assert tab.text_content("#status") == "1,237 of 1,237 images."
    student.fill("nobody")
    student.press("Enter")
    assert tab.text_content("#status") == "No model is called nobody."


def test_arrow_keys_choose_a_pair_and_a_click_a_teacher(opened):
    predicted, classes, models = study()
    tab = opened(page_of(predicted, classes, models), student="model2.t", teacher="model3.t", order="name")
    names = sorted(predicted.models)
    tab.locator("#matrix").focus()
    tab.keyboard.press("ArrowRight")
    assert tab.input_value("#teacher") == names[names.index("model3.t") + 1]
    tab.keyboard.press("ArrowUp")
    assert tab.input_value("#student") == names[names.index("model2.t") - 1]
    tab.locator("#teachers tbody tr").nth(2).click()
    assert tab.input_value("#teacher") == table_of(tab, "teachers")[3][0]
    box = tab.locator("#matrix").bounding_box()
    cell = box["width"] / 6
    tab.mouse.click(box["x"] + 4.5 * cell, box["y"] + 1.5 * cell)
    assert (tab.input_value("#student"), tab.input_value("#teacher")) == (names[1], names[4])


def test_the_matrix_has_the_colour_of_each_pair(opened):
    predicted, classes, models = study()
    tab = opened(page_of(predicted, classes, models), order="name", measure="difference")
    assert tab.evaluate("MEASURES[state.measure].title") == "accuracy difference"
    values = np.array(tab.evaluate("[...matrix.values]"), float).reshape(6, 6)
    accuracy = predicted.correct.mean(axis=1)
    expected = accuracy - accuracy[:, None]
    off = ~np.eye(6, dtype=bool)
    np.testing.assert_allclose(values[off], expected[off], atol=1e-6)
    pixels = tab.evaluate("[...matrix.canvas.getContext('2d').getImageData(0, 0, 6, 6).data]")
    blue, orange = np.array(pixels).reshape(6, 6, 4)[..., 2], np.array(pixels).reshape(6, 6, 4)[..., 0]
    order = np.argsort(predicted.models)
    ranked = expected[np.ix_(order, order)]
    assert (blue[ranked < -0.1] > orange[ranked < -0.1]).all()
    assert (blue[ranked > 0.1] < orange[ranked > 0.1]).all()


def test_a_team_has_as_many_models_as_are_asked_for(opened):
    predicted, classes, models = study()
    tab = opened(page_of(predicted, classes, models), student="model2.t", team=3)
    assert len(table_of(tab, "team")) == 4
    tab.get_by_role("spinbutton", name="Models", exact=True).fill("5")
    tab.get_by_role("spinbutton", name="Models", exact=True).press("Tab")
    settle(tab)
    tab.wait_for_timeout(100)
    check_team(predicted, table_of(tab, "team"), 2)
    assert len(table_of(tab, "team")) == 6
    assert "team=5" in tab.url


def test_the_script_is_sound(tmp_path):
    """The files of the script share one scope, so a linter has to see them as the page does."""
    scripts = [part for part in PARTS if part.endswith(".js")]
    (tmp_path / "page.js").write_text(
        "\n".join((ROOT / f"src/transfer_atlas/page/{part}").read_text() for part in scripts)
    )
    config = {"env": {"browser": True, "es2024": True}, "rules": {"no-undef": "error", "no-unused-vars": "error"}}
    (tmp_path / ".oxlintrc.json").write_text(json.dumps(config))
    done = subprocess.run(
        [Path(sys.executable).with_name("oxlint"), "--deny-warnings", "page.js"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_every_control_has_a_name(opened):
    tab = opened(page_of(*study()))
    tree = tab.locator("body").aria_snapshot()
    unnamed = [
        line
        for line in tree.splitlines()
        if re.match(r" *- (textbox|combobox|listbox|spinbutton|button|img)(:| *$)", line)
    ]
    assert unnamed == []
    assert "Matrix of all pairs; arrow keys choose a pair" in tree


@pytest.mark.parametrize(("width", "scheme"), [(400, "light"), (400, "dark"), (1280, "dark")])
def test_nothing_is_wider_than_the_window(opened, width, scheme):
    predicted, classes, models = study()
    names = [f"a_long_name_of_a_network.{number}" for number in range(6)]
    sure = replace(predicted, models=names, confidence=np.ones(predicted.prediction.shape, np.float32))
    tab = opened(page_of(sure, classes, models.assign(model=names)), width=width, scheme=scheme)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    paper, ink = tab.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    assert (sum(map(int, re.findall(r"\d+", paper))) < sum(map(int, re.findall(r"\d+", ink)))) == (scheme == "dark")


def test_a_large_zoo_shows_the_same_numbers(opened):
    predicted, classes, models = study(models=320, images=900)
    tab = opened(page_of(predicted, classes, models), student="model7.t", teacher="model300.t")
    everything = np.ones(900, bool)
    assert [row[1] for row in table_of(tab, "pair")[1:5]] == pair_of(predicted, 7, 300, everything)
    values = np.array(tab.evaluate("[...matrix.values]"), float).reshape(320, 320)
    flips = (~predicted.correct).astype(float) @ predicted.correct.T.astype(float) / 900
    off = ~np.eye(320, dtype=bool)
    np.testing.assert_allclose(values[off], flips[off], atol=1e-6)
    shown = table_of(tab, "teachers")[1:]
    assert len(shown) == 100
    by_name = dict(zip(predicted.models, 100 * flips[7], strict=True))
    listed = [by_name[line[0]] for line in shown]
    assert listed == sorted(np.delete(100 * flips[7], 7), reverse=True)[:100]
    assert [float(line[1]) for line in shown] == pytest.approx(listed, abs=0.0051)
    # of a subset the page counts itself
    tab.locator("#classes").select_option("4")
    settle(tab)
    chosen = predicted.labels == 4
    assert [row[1] for row in table_of(tab, "pair")[1:5]] == pair_of(predicted, 7, 300, chosen)
    values = np.array(tab.evaluate("[...matrix.values]"), float).reshape(320, 320)
    flips = (~predicted.correct[:, chosen]).astype(float) @ predicted.correct[:, chosen].T.astype(float) / chosen.sum()
    np.testing.assert_allclose(values[off], flips[off], atol=1e-6)


def test_the_most_confident_of_a_team_is_known(chromium):
    predicted, classes, models = study()
    confidence = np.random.default_rng(3).integers(1, 20, predicted.prediction.shape).astype(np.float32) / 20
    predicted = replace(predicted, confidence=confidence)
    tables, _, _ = chromium(page_of(predicted, classes, models), student="model2.t")
    check_team(predicted, tables["team"], 2)
    members = []
    assert tables["team"][0][-1] == "most confident (%)"
    for line in tables["team"][1:]:
        members.append(predicted.models.index(line[0]))
        at = np.array(sorted(members))  # of equal ones the first in the table of models
        chosen = at[confidence[at].argmax(axis=0)]
        right = predicted.correct[chosen, np.arange(len(predicted.labels))].mean()
        assert float(line[4]) == pytest.approx(100 * right, abs=0.0051)


def test_two_models_and_a_class_without_images(chromium):
    predicted, classes, models = study(models=2, images=200)
    classes = pd.concat([classes, pd.DataFrame({"class": [7], "name": ["empty"], "images": [0]})], ignore_index=True)
    tables, _, _ = chromium(page_of(predicted, classes, models))
    assert [row[1] for row in tables["pair"][1:5]] == pair_of(predicted, 0, 1, np.ones(200, bool))
    assert "positive flips over expected, on all images" not in [line[0] for line in tables["pair"]]
    _, texts, _ = chromium(page_of(predicted, classes, models), classes="7")
    assert texts["status"] == "No image is left; choose other classes or numbers of models."


def test_measured_transfers_and_their_command_are_shown(chromium):
    predicted, classes, models = study()
    deltas = pd.DataFrame(
        {"method": ["kl", "kl", "self"], "student": "model1.t", "teacher": ["model2.t", "gone.t", None]}
    )
    deltas = deltas.assign(delta=0.0123, delta_low=0.01, delta_high=0.02)
    page = page_of(predicted, classes, models, deltas)
    tables, _, _ = chromium(page, student="model1.t", teacher="model2.t", measure="delta:kl")
    (line,) = (line for line in tables["teachers"] if line[0] == "model2.t")
    assert line[-1] == "+1.23 (kl)"
    assert "gone.t" not in page


def test_flips_by_accepted_labels_are_those_of_the_table(chromium):
    predicted, classes, models = study()
    generator = np.random.default_rng(1)
    # the label and sometimes another class; none for one image in ten
    more = generator.integers(0, 7, len(predicted.labels))
    lists = [
        [] if empty else sorted({label, other})
        for label, other, empty in zip(predicted.labels, more, generator.random(len(more)) < 0.1, strict=True)
    ]
    pairs = compare_models(predicted, accepted=lists)
    page = build_page("x", predicted, classes, models, pairs)
    row = pairs.set_index(["student", "teacher"]).loc[("model1.t", "model2.t")]
    tables, _, _ = chromium(page, student="model1.t", teacher="model2.t")
    shown = {line[0]: float(line[2].removesuffix(" %")) for line in tables["pair"][5:]}
    flips = shown["positive flips by accepted labels, on all images that have some"]
    assert flips == pytest.approx(100 * row["accepted_flips"], abs=0.0061)
    too = shown["of the positive flips, the student is right too by accepted labels"]
    assert too == pytest.approx(100 * row["student_accepted"], abs=0.0061)
    assert too > 0
    plain, _, _ = chromium(page_of(predicted, classes, models), student="model1.t", teacher="model2.t")
    assert not any("accepted" in line[0] for line in plain["pair"])


def test_what_a_transfer_is_expected_to_give_is_shown(chromium):
    predicted, classes, models = study()
    expected = pd.DataFrame({"student": "model1.t", "teacher": ["model2.t", "gone.t"], "method": "kl_dp"})
    expected = expected.assign(expected_delta=0.002, expected_low=-0.001, expected_high=0.005)
    page = page_of(predicted, classes, models, expected=expected)
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
    from transfer_atlas.logits.zoo_predictions import read_zoo_predictions
    from transfer_atlas.store.tables import read_table

    predicted = read_zoo_predictions(str(folder))
    named = (read_table(folder.parents[1] / f"{name}.parquet") for name in ("classes", "models"))
    student, teacher = predicted.models[3], predicted.models[20]
    tables, _, _ = chromium(page_of(predicted, *named), student=student, teacher=teacher)
    assert [row[1] for row in tables["pair"][1:5]] == pair_of(predicted, 3, 20, np.ones(50_000, bool))
    check_team(predicted, tables["team"], 3)


def test_all_pairs_of_the_embedded_study(opened):
    """The page of the finished study, asked for every pair as a reader asks: by typing both names."""
    results = ROOT / "results/embedded"
    if not (results / "atlas.html").exists():
        pytest.skip("the embedded study was not made here: make study atlas")
    from transfer_atlas.logits.zoo_predictions import read_zoo_predictions
    from transfer_atlas.store.tables import read_table

    predicted = read_zoo_predictions(str(results / "predictions/evaluation"))
    pairs = read_table(results / "complementarity.parquet").set_index(["student", "teacher"])
    deltas = read_table(results / "deltas.parquet").dropna(subset=["teacher"])
    best = deltas.groupby(["student", "teacher"])["delta"].max()
    everything = np.ones(len(predicted.labels), bool)
    tab = opened((results / "atlas.html").read_text())
    for number, student in enumerate(predicted.models):
        tab.get_by_role("combobox", name="Student").fill(student)
        tab.get_by_role("combobox", name="Student").press("Enter")
        for other, teacher in enumerate(predicted.models):
            if other == number:
                continue
            tab.get_by_role("combobox", name="Teacher").fill(teacher)
            tab.get_by_role("combobox", name="Teacher").press("Enter")
            settle(tab)
            shown, row = table_of(tab, "pair"), pairs.loc[(student, teacher)]
            assert [line[1] for line in shown[1:5]] == pair_of(predicted, number, other, everything)
            measured = {line[0]: float(line[2]) for line in shown[5:]}
            assert measured["error consistency"] == pytest.approx(row["error_consistency"], abs=5.1e-5)
            assert measured["flip entropy (nats)"] == pytest.approx(row["flip_entropy"], abs=5.1e-5)
            expected = measured["positive flips over expected, on all images"]
            assert expected == pytest.approx(row["flips_over_expected"], abs=0.0051)
        listed = table_of(tab, "teachers")
        assert {line[0] for line in listed[1:]} == set(predicted.models) - {student}
        for line in listed[1:]:
            assert float(line[1]) == pytest.approx(100 * pairs.loc[(student, line[0]), "positive_flips"], abs=0.0051)
            if (student, line[0]) in best.index:
                measured = line[listed[0].index("best measured delta (points)")]
                assert float(measured.split()[0]) == pytest.approx(100 * best[student, line[0]], abs=0.0051)
        check_team(predicted, table_of(tab, "team"), number)
    tab.locator("#classes").select_option(["2", "6"])
    settle(tab)
    chosen = np.isin(predicted.labels, [2, 6])
    assert [line[1] for line in table_of(tab, "pair")[1:5]] == pair_of(predicted, number, other - 1, chosen)


def test_the_same_data_give_the_same_page():
    predicted, classes, models = study()
    assert page_of(predicted, classes, models) == page_of(predicted, classes, models)
    assert "PREDICTIONS@" not in page_of(predicted, classes, models)
