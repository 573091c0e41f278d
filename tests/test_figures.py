"""Every figure has labelled axes with units, survives poor data and comes out byte-identical twice."""

import re
from importlib import import_module

import numpy as np
import pytest
from conftest import ROOT, make_random_study

from transfer_atlas.figures.flip_entropy import entropy_by_chance
from transfer_atlas.figures.pair_matrix import cluster
from transfer_atlas.figures.style import save_figure

# as the workflow knows them: a line for each figure with the tables that it takes
TABLES = {
    figure: re.findall(r"\w+", tables)
    for figure, tables in re.findall(
        r'^        "(\w+)": \[(.*)\]', (ROOT / "workflow/rules/figures.smk").read_text(), flags=re.M
    )
}
OF_PAIRS = [figure for figure, tables in TABLES.items() if "transfers" not in tables]
OF_TRANSFERS = [figure for figure, tables in TABLES.items() if "transfers" in tables]


def plot(figure, study):
    function = getattr(import_module(f"transfer_atlas.figures.{figure}"), f"plot_{figure}")
    return function(*(study[table] for table in TABLES[figure]))


def labels_of(figure):
    texts = [text for ax in figure.axes for text in (ax.get_xlabel(), ax.get_ylabel())]
    return " ".join([*texts, figure.get_supxlabel(), figure.get_supylabel()])


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("size", [(4, 5), (30, 20), (1, 1)])
def test_axes_are_labelled_with_units_at_every_size(name, size, tmp_path):
    figure = plot(name, make_random_study(*size))
    assert any(unit in labels_of(figure) for unit in ("%", "points", "nats"))
    assert any(ax.collections or ax.lines or ax.patches or ax.images for ax in figure.axes)
    save_figure(figure, [tmp_path / "f.png"])


@pytest.mark.parametrize("name", OF_TRANSFERS)
def test_a_study_of_controls_alone_still_gives_a_figure(name, random_study, tmp_path):
    random_study["transfers"] = random_study["transfers"][random_study["transfers"]["teacher"].isna()]
    save_figure(plot(name, random_study), [tmp_path / "f.png"])
    assert (tmp_path / "f.png").stat().st_size > 5000


@pytest.mark.parametrize("name", OF_PAIRS)
def test_one_model_alone_gives_a_sentence(name, random_study, tmp_path):
    for table in ("complementarity", "flips_by_class"):
        random_study[table] = random_study[table].iloc[:0]
    figure = plot(name, random_study)
    assert any(ax.texts for ax in figure.axes)
    save_figure(figure, [tmp_path / "f.png"])


def test_models_of_unknown_family_and_confidence_still_have_figures(random_study, tmp_path):
    random_study["models"]["family"] = None
    save_figure(plot("pair_matrix", random_study), [tmp_path / "f.png"])
    random_study["complementarity"]["confidence_accuracy"] = np.nan
    figure = plot("pair_accuracy", random_study)
    assert "no two models with known confidences" in [text.get_text() for text in figure.axes[1].texts]


def test_entropy_by_chance_equals_a_simulation():
    generator = np.random.default_rng(0)
    counts = generator.multinomial(20, np.full(10, 0.1), size=20_000) / 20
    entropies = -(counts * np.log(np.where(counts > 0, counts, 1))).sum(axis=1)
    assert entropy_by_chance(20, 10) == pytest.approx(entropies.mean(), abs=0.005)
    assert entropy_by_chance(1, 10) == pytest.approx(0)


def test_alike_models_stand_together_in_the_matrix():
    flips = np.full((6, 6), 10.0)
    for a, b in ((0, 3), (1, 4), (2, 5)):
        flips[a, b] = flips[b, a] = 1
    place = np.argsort(cluster(flips))
    assert all(abs(place[a] - place[b]) == 1 for a, b in ((0, 3), (1, 4), (2, 5)))


@pytest.mark.parametrize("name", TABLES)
def test_the_same_data_give_the_same_bytes(name, random_study, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        save_figure(plot(name, random_study), [tmp_path / folder / "f.pdf", tmp_path / folder / "f.png"])
    for file in ("f.pdf", "f.png"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
