"""The page on CIFAR-100: its verdicts follow from intervals."""

import importlib.util
import string

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT, make_random_study

from transfer_atlas.analysis.summary import summarise_methods
from transfer_atlas.schemas.tables import SCHEMAS
from transfer_atlas.store.tables import write_table


def script(name):
    """A script of docs/pages as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/pages/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page():
    return script("cifar100")


@pytest.mark.parametrize(
    ("values", "sign", "verdict"),
    [
        ([1.0, 2.0, 3.0, 2.0], 1, "agrees"),
        ([1.0, 2.0, 3.0, 2.0], -1, "contradicts"),
        ([-1.0, -2.0, -3.0, -2.0], -1, "agrees"),
        ([-1.0, 2.0, -3.0, 2.0], 1, "cannot be told"),
    ],
)
def test_an_interval_decides(page, values, sign, verdict):
    assert page.decide("claim", "delta", pd.Series(values), sign)["verdict"] == verdict


def test_an_interval_holds_the_mean_of_new_draws(page):
    values = np.random.default_rng(1).normal(0.5, 1, 40)
    low, high = page.interval(values)
    assert low < values.mean() < high
    assert (high - low) / 2 == pytest.approx(1.96 * values.std() / np.sqrt(40), rel=0.1)


def test_methods_stand_beside_the_papers(page):
    transfers = make_random_study(students=6, teachers=6)["transfers"]
    transfers = transfers.assign(success=transfers["delta"] > 0)
    rows = page.methods_table(transfers).splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == [
        "KL",
        "KL + DP",
        "KL + DP, unsup.",
        "self (control)",
        "labels (control)",
    ]
    assert "92.5" in rows[1]
    success = summarise_methods(transfers).loc["kl_dp", "success_rate"]
    assert f"{100 * success:.0f} (" in rows[1]


def test_the_template_asks_for_nothing_that_is_not_written(page):
    wanted = {name for _, name, _, _ in string.Formatter().parse(page.TEXT) if name}
    assert all(f"{name.split(':')[0]}=" in (ROOT / "docs/pages/cifar100.py").read_text() for name in wanted)


def test_a_variant_is_set_against_the_recipe_that_it_changes(monkeypatch):
    recipe = script("cifar100_recipe")
    transfers = make_random_study(students=6, teachers=2)["transfers"]
    monkeypatch.setattr(recipe, "transfers_of", lambda study: transfers)
    rows = recipe.variants_table([("a", "s", "kl", "first", "", "labels"), ("b", "s", "kl_dp", "a with DP", "a", "")])
    first, second = ([cell.strip() for cell in row.split("|")[1:-1]] for row in rows.splitlines()[2:])
    mean = transfers.groupby("method")["delta"].mean()
    assert first[3].startswith(f"{100 * mean['kl']:+.2f} (")
    assert (first[4], first[5]) == ("", f"{100 * mean['labels']:+.2f}")
    assert second[4].startswith(f"{100 * (mean['kl_dp'] - mean['kl']):+.2f} (")


def cells(table):
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()[2:]]


def test_methods_ways_and_norms_of_the_embedded_zoo_are_what_their_tables_say(monkeypatch):
    measured, study = script("measured"), make_random_study(students=6, teachers=3)
    transfers = study["transfers"].assign(q=0.5)
    transfers.loc[transfers["method"] == "kl", "q"] = 0.01
    kl = transfers.query("method == 'kl'")
    rows = {row[0]: row for row in cells(measured.judge(transfers))}
    up = 100 * (kl["delta"] > 0).mean()
    assert rows["KL"][2].startswith(f"{up:.0f} (")
    assert rows["KL"][4] == f"{up:.0f}, {100 - up:.0f}"
    assert rows["KL"][5].startswith(f"{100 * kl['delta'].mean():+.2f} (")
    assert (rows["labels (control)"][3], rows["KL + DP"][4]) == ("", "0, 0")
    judged = {"epochs": 9, "single_best_p": [0.01] + [0.5] * 29, "single_best_gain": 0.2, "single_best_loss": 0.1}
    teams = study["teams"].assign(**judged)
    first = cells(measured.compare_ways(teams))[0]
    sequential = teams.query("way == 'sequential'")["delta"].mean()
    assert first[2] == f"{100 * sequential:+.2f}"
    assert first[6] == "1, 0"
    sweeps = pd.concat([kl.assign(key="batch_norm", value=value) for value in ("frozen", "train")])
    norms = cells(measured.compare_norms(sweeps))
    assert len(norms) == 6
    assert norms[0][2] == norms[0][3]


def test_every_variant_of_the_search_is_configured(monkeypatch):
    recipe = script("cifar100_recipe")
    methods = yaml.safe_load((ROOT / "config/cifar100_search/recipes.yaml").read_text())["transfer"]["methods"]
    assert {method for _, _, method, *_ in recipe.SEARCH + recipe.UNSEEN} <= {m for m, spec in methods.items() if spec}
    page = (ROOT / "docs/cifar100_recipe.md").read_text()
    assert all(f"| {text} " in page for _, _, _, text, *_ in recipe.SEARCH + recipe.UNSEEN)


@pytest.mark.parametrize("page", ["cifar100", "cifar100_recipe", "measured", "recommendation", "reliability"])
def test_a_page_says_what_its_template_says(page):
    template, text = ((ROOT / f"docs/{name}.md").read_text() for name in (f"pages/{page}.template", page))
    assert all(literal in text for literal, *_ in string.Formatter().parse(template))


def test_one_command_writes_the_page_from_the_studys_tables(page, tmp_path, monkeypatch):
    tables, study = make_random_study(students=6, teachers=6), tmp_path / "results/cifar100"
    kl = tables["transfers"].query("method == 'kl'")
    tables["transfers"] = pd.concat([tables["transfers"], *(kl.assign(method=name) for name in ("xe_kl", "xe_kl_mcl"))])
    for table in ("models", "complementarity", "transfers"):
        write_table(
            tables[table].reindex(columns=SCHEMAS[table].names).astype(object), table, study / f"{table}.parquet"
        )
    provenance = {"versions": {"torch": "2.15"}}
    write_table(tables["transfers"].iloc[[0]], "transfers", study / "transfers/kl/s/t/0.parquet", provenance)
    for figure in page.FIGURES:
        (study / "figures").mkdir(exist_ok=True)
        (study / f"figures/{figure}.png").write_bytes(b"png")
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path)
    page.main()
    written = (tmp_path / "docs/cifar100.md").read_text()
    assert "Written with torch 2.15" in written
    assert "# CIFAR-100: twelve small models, 36 pairs" in written
    assert all((tmp_path / f"docs/images/cifar100/{figure}.png").exists() for figure in page.FIGURES)
