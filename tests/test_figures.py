"""Every figure has labelled axes with units, survives poor data and comes out byte-identical twice."""

import pytest
from conftest import make_random_study

from transfer_atlas.figures.complementarity import plot_complementarity
from transfer_atlas.figures.style import save_figure
from transfer_atlas.figures.success_rate import plot_success_rate
from transfer_atlas.figures.transfer_delta import plot_transfer_delta
from transfer_atlas.figures.transfer_rate import plot_transfer_rate

FIGURES = {
    plot_complementarity: ["complementarity"],
    plot_success_rate: ["transfers"],
    plot_transfer_delta: ["transfers", "complementarity"],
    plot_transfer_rate: ["transfers", "models"],
}


def labels_of(figure):
    texts = [text for ax in figure.axes for text in (ax.get_xlabel(), ax.get_ylabel())]
    return " ".join([*texts, figure.get_supxlabel()])


@pytest.mark.parametrize(("plot", "tables"), FIGURES.items())
@pytest.mark.parametrize("size", [(4, 5), (30, 20), (1, 1)])
def test_axes_are_labelled_with_units_at_every_size(plot, tables, size, tmp_path):
    tables_of = make_random_study(*size)
    figure = plot(*(tables_of[table] for table in tables))
    assert any(unit in labels_of(figure) for unit in ("%", "points"))
    assert any(ax.collections or ax.lines or ax.patches for ax in figure.axes)
    save_figure(figure, [tmp_path / "f.png"])


@pytest.mark.parametrize("plot", [plot_success_rate, plot_transfer_delta, plot_transfer_rate])
def test_a_study_of_controls_alone_still_gives_a_figure(plot, random_study, tmp_path):
    random_study["transfers"] = random_study["transfers"][random_study["transfers"]["teacher"].isna()]
    figure = plot(*(random_study[table] for table in FIGURES[plot]))
    save_figure(figure, [tmp_path / "f.png"])
    assert (tmp_path / "f.png").stat().st_size > 5000


@pytest.mark.parametrize(("plot", "tables"), FIGURES.items())
def test_the_same_data_give_the_same_bytes(plot, tables, random_study, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        save_figure(plot(*(random_study[t] for t in tables)), [tmp_path / name / "f.pdf", tmp_path / name / "f.png"])
    for file in ("f.pdf", "f.png"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
