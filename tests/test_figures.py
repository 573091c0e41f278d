"""Every figure has labelled axes with units, survives poor data and comes out byte-identical twice."""

from importlib import import_module
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from conftest import make_random_study
from matplotlib.text import Text
from PIL import Image

from transfer_atlas.analysis.histories import describe_histories
from transfer_atlas.analysis.properties import correlate, describe_transfers
from transfer_atlas.errors import InputError
from transfer_atlas.figures import style
from transfer_atlas.figures.flip_entropy import entropy_by_chance
from transfer_atlas.figures.groups import of_family, of_method
from transfer_atlas.figures.layout import WIDTHS, arrange, at_width
from transfer_atlas.figures.pair_matrix import cluster
from transfer_atlas.figures.saving import save_figure, shorten
from transfer_atlas.figures.style import control_methods
from transfer_atlas.figures.table_page import render_table
from transfer_atlas.figures.teacher_count import expected_of_chosen
from transfer_atlas.schemas.tables import SCHEMAS
from transfer_atlas.study.figures import figures_of
from transfer_atlas.tools.contact_sheet import GAP, main

TABLES = {figure: tables for figure, (_, tables) in figures_of(SCHEMAS).items()}
# what a figure of too small a study says in place of its axes
NEEDS_MORE = (
    "a correlation needs three transfers with a teacher and a result",
    "a regression needs 8 students and two transfers per property",
    "no expected flips: they need six models that are neither always right nor always wrong",
)
OF_PAIRS = [
    figure
    for figure, tables in TABLES.items()
    if not {"transfers", "deltas", "histories", "sweeps", "agreement", "teams", "ledger", "strategies", "choices"}
    & set(tables)
]
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
    if any(text.get_text() in NEEDS_MORE for ax in figure.axes for text in ax.texts):
        assert size != (30, 20)
    else:
        assert any(unit in labels_of(figure) for unit in ("%", "points", "nats", "rho, -1 to 1"))
        assert any(ax.collections or ax.lines or ax.patches or ax.images for ax in figure.axes)
    save_figure(figure, [])


# axes that end before a control, which loses so much that it would flatten all others; the figure says so in words
CLIPPED = ("transfer_delta", "learning_curves")


@pytest.mark.parametrize("name", sorted(set(TABLES) - set(CLIPPED)))
@pytest.mark.parametrize("size", [(4, 5), (30, 20)])
def test_all_data_lie_inside_the_axes(name, size):
    figure = plot(name, make_random_study(*size))
    figure.canvas.draw()
    for ax in figure.axes:
        limits = np.sort([ax.get_xlim(), ax.get_ylim()], axis=1)
        data = np.array([ax.dataLim.intervalx, ax.dataLim.intervaly])
        room = 1e-6 * np.abs(limits).max(axis=1)
        known = np.isfinite(data).all(axis=1)
        assert (data[known, 0] >= (limits[:, 0] - room)[known]).all(), f"{name}: {data}, {limits}"
        assert (data[known, 1] <= (limits[:, 1] + room)[known]).all(), f"{name}: {data}, {limits}"


def test_bars_of_all_panels_that_share_an_axis_fit_it(random_study):
    """The last panel has the highest bar."""
    flips = random_study["flips_by_class"]
    last = flips["example"].unique()[-1]
    flips.loc[flips.index[flips["example"] == last][0], "share_of_flips"] = 0.9
    figure = plot("flips_by_class", random_study)
    assert figure.axes[0].get_ylim()[1] > 90


@pytest.mark.parametrize("name", ["delta_by_property", "transfer_rate", "class_transfer_rate", "scaling"])
def test_one_student_alone_has_no_interval(name, random_study):
    """A bar of length zero would look exact."""
    for table in ("transfers", "sweeps"):
        rows = random_study[table]
        student = rows["student"].iloc[0]
        first = rows[rows["student"] == student].drop_duplicates([c for c in ("method", "key", "value") if c in rows])
        random_study[table] = first
    figure = plot(name, random_study)
    bars = [bars for ax in figure.axes for container in ax.containers for bars in container.lines[2]]
    assert bars
    for bar in bars:
        assert all(np.isnan(segment).any() for segment in bar.get_segments() if len(segment))


def test_the_median_lies_inside_the_middle_half(random_study):
    pairs = random_study["complementarity"]
    pairs.loc[pairs.index[:3], "top50_similarity"] = 50.0  # a few far ones move a mean, not a median
    ax = plot("class_similarity", random_study).axes[0]
    (band,) = (path for collection in ax.collections[:1] for path in collection.get_paths())
    x, median = ax.lines[-1].get_data()
    for place, value in zip(x, median, strict=True):
        edges = band.vertices[np.isclose(band.vertices[:, 0], place), 1]
        assert edges.min() <= value <= edges.max()


@pytest.mark.parametrize("name", OF_TRANSFERS)
def test_a_study_of_controls_alone_still_gives_a_figure(name, random_study, tmp_path):
    random_study["transfers"] = random_study["transfers"][random_study["transfers"]["teacher"].isna()]
    save_figure(plot(name, random_study), [tmp_path / "f.png"])
    assert (tmp_path / "f.png").stat().st_size > 5000


@pytest.mark.parametrize(
    "name", [name for name, tables in TABLES.items() if {"transfers", "deltas", "histories", "sweeps"} & {*tables}]
)
def test_a_family_without_students_gives_a_sentence(name, random_study, tmp_path):
    for table in ("transfers", "deltas", "histories", "sweeps"):
        random_study[table] = random_study[table].iloc[:0]
    figure = plot(name, random_study)
    assert any(ax.texts for ax in figure.axes)
    save_figure(figure, [])


@pytest.mark.parametrize("name", OF_PAIRS)
def test_one_model_alone_gives_a_sentence(name, random_study, tmp_path):
    for table in ("complementarity", "flips_by_class"):
        random_study[table] = random_study[table].iloc[:0]
    figure = plot(name, random_study)
    assert any(ax.texts for ax in figure.axes)
    save_figure(figure, [])


def test_models_of_unknown_family_and_confidence_still_have_figures(random_study, tmp_path):
    random_study["models"]["family"] = None
    save_figure(plot("pair_matrix", random_study), [tmp_path / "f.png"])
    random_study["complementarity"]["confidence_accuracy"] = np.nan
    figure = plot("pair_accuracy", random_study)
    (ax,) = figure.axes
    assert figure.get_suptitle() == "no two models with known confidences"
    assert [label for label in ax.get_xticklabels() if label.get_visible()]


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


def points_of(ax):
    """(x, y) of every mark of the scatter and error bar plots in an axis."""
    scattered = [tuple(point) for collection in ax.collections for point in np.asarray(collection.get_offsets())]
    drawn = [tuple(point) for bars in ax.containers for point in np.asarray(bars.lines[0].get_xydata())]
    return sorted(np.round(scattered, 6).tolist()), sorted(np.round(drawn, 6).tolist())


def expected_points(x, y):
    return sorted(np.round(np.column_stack([x, y]), 6).tolist())


def test_complementarity_draws_each_pair_where_it_belongs(random_study):
    pairs = random_study["complementarity"]
    ax = plot("complementarity", random_study).axes[0]
    shown = points_of(ax)[0]
    assert all(
        point in shown for point in expected_points(100 * pairs["accuracy_difference"], 100 * pairs["positive_flips"])
    )


def test_pairs_of_one_network_are_marked_with_their_median(random_study):
    pairs = random_study["complementarity"]
    pairs["same_network"] = False
    assert "one network twice" not in plot("complementarity", random_study).axes[0].get_title(loc="left")
    pairs.loc[pairs.index[:2], "same_network"] = True
    median = 100 * pairs["positive_flips"].iloc[:2].median()
    ax = plot("complementarity", random_study).axes[0]
    assert ax.get_title(loc="left").endswith(f"circles: one network twice, median {median:.1f} %")
    assert any(np.allclose(line.get_ydata(), median) for line in ax.lines)
    circles = np.asarray(ax.collections[1].get_offsets())
    np.testing.assert_allclose(circles[:, 1], 100 * pairs["positive_flips"].iloc[:2])


def test_transfer_delta_draws_each_transfer_where_it_belongs(random_study):
    merged = random_study["transfers"].merge(random_study["complementarity"], on=["student", "teacher"])
    axes = plot("transfer_delta", random_study).axes
    assert [ax.get_title(loc="left").split("\n")[0] for ax in axes] == ["KL", "KL + DP", "KL + DP, unsup."]
    for ax, method in zip(axes, ("kl", "kl_dp", "kl_dp_u"), strict=True):
        rows = merged[merged["method"] == method]
        assert points_of(ax)[1] == expected_points(100 * rows["accuracy_difference"], 100 * rows["delta"])
    assert "logarithmic beyond 1" in axes[0].get_ylabel()


def test_every_control_has_a_line_of_its_own(random_study):
    controls = random_study["transfers"][random_study["transfers"]["method"] == "self"]
    more = [controls.assign(method=f"control_{number}", delta=number / 100) for number in range(3)]
    random_study["transfers"] = pd.concat([random_study["transfers"], *more])
    ax = plot("transfer_delta", random_study).axes[-1]
    lines = [line for line in ax.lines if "control" in line.get_label()]
    assert len(lines) == len({str(line.get_linestyle()) + str(line._dash_pattern) for line in lines}) == 5
    assert [line.get_ydata()[0] for line in lines][-3:] == pytest.approx([0, 1, 2])


def test_students_of_equal_size_keep_marks_of_their_own(random_study):
    random_study["models"]["parameters"] = 200_000
    random_study["models"]["family"] = "mlp"
    ax = plot("transfer_rate", random_study).axes[0]
    rates = random_study["transfers"].query("method == 'kl'").groupby("student")["transfer_rate"].mean()
    assert points_of(ax)[1] == expected_points([0.2] * 4, 100 * rates)


def test_success_rate_draws_each_student_and_counts_the_lost(random_study):
    transfers = random_study["transfers"].copy()
    transfers.loc[transfers.query("method == 'kl'").index[:2], ["delta", "gain", "loss"]] = np.nan
    random_study["transfers"] = transfers
    ax = plot("success_rate", random_study).axes[0]
    assert ax.get_title(loc="left") == "4 students, 68 transfers, 2 without a result"
    rates = 100 * transfers.assign(won=transfers["delta"] > 0).groupby(["method", "student"])["won"].mean()
    heights = sorted(np.round([y for c in ax.collections for _, y in c.get_offsets()], 6).tolist())
    assert heights == sorted(np.round(rates, 6).tolist())


def test_flips_by_class_draws_falling_shares(random_study):
    axes = plot("flips_by_class", random_study).axes
    for ax, (_, rows) in zip(axes, random_study["flips_by_class"].groupby("example", sort=False), strict=True):
        assert [bar.get_height() for bar in ax.patches] == sorted(100 * rows["share_of_flips"], reverse=True)
        assert len({round(bar.get_width(), 9) for bar in ax.patches}) == 1
        largest = rows.loc[rows["share_of_flips"].idxmax(), "class"]
        assert ax.get_xticklabels()[0].get_text() == random_study["classes"].set_index("class")["name"][largest]


def test_classes_without_names_are_numbered(random_study):
    random_study["classes"]["name"] = None
    rows = random_study["flips_by_class"]
    first = rows[rows["example"] == rows["example"].iloc[0]]
    ax = plot("flips_by_class", random_study).axes[0]
    assert ax.get_xticklabels()[0].get_text() == str(first.loc[first["share_of_flips"].idxmax(), "class"])


def test_the_expected_teacher_of_a_draw_equals_all_draws():
    generator = np.random.default_rng(0)
    flips, deltas = generator.random(7), generator.normal(size=7)
    for count in range(1, 8):
        chosen = [max(drawn, key=flips.__getitem__) for drawn in combinations(range(7), count)]
        assert expected_of_chosen(flips, deltas, [count])[0] == pytest.approx(deltas[chosen].mean())


def test_scaling_draws_mean_deltas_where_their_values_stand(random_study):
    sweeps = random_study["sweeps"]
    sweeps.loc[sweeps["value"] == "12", "delta"] += 0.1
    axes = plot("scaling", random_study).axes
    assert [ax.get_xlabel() for ax in axes[3:6]] == ["epochs", "share of the transfer images (%)", "schedule"]
    kl = 100 * random_study["transfers"].query("method == 'kl'")["delta"].mean()
    places = np.asarray(axes[0].containers[0].lines[0].get_xydata())
    np.testing.assert_allclose(places, [[1, kl], [12, kl + 10]])
    assert axes[0].get_xscale() == "log"
    assert [text.get_text() for text in axes[5].get_xticklabels()] == ["cosine"]


def test_learning_curves_begin_at_nothing_and_end_with_the_transfer(random_study):
    ax = plot("learning_curves", random_study).axes[0]
    gain = 100 * random_study["transfers"].query("method == 'kl'")["gain"].mean()
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[0, 0], [1, gain / 2], [2, gain]])
    random_study["histories"][["gain", "loss"]] = np.nan
    figure = plot("learning_curves", random_study)
    assert figure.axes[0].get_ylabel() == "mean training loss (nats)"
    assert "transfer.evaluate_epochs" in figure.get_supxlabel()


def test_a_matrix_draws_every_delta_and_marks_the_significant_ones(random_study):
    deltas = random_study["deltas"] = random_study["deltas"].assign(q=1.0)
    of_method = deltas.query("method == 'kl'")
    sure = of_method.index[3]
    deltas.loc[sure, "q"] = 0.01
    ax = plot("delta_matrix", random_study).axes[0]
    drawn = ax.images[0].get_array()
    assert sorted(np.asarray(drawn.compressed())) == pytest.approx(sorted(100 * of_method["delta"]))
    ((teacher, student),) = ax.lines[0].get_xydata().astype(int)
    assert drawn[student, teacher] == pytest.approx(100 * deltas.loc[sure, "delta"])


@pytest.mark.parametrize(("students", "boxes"), [(4, 0), (12, 3)])
def test_few_students_are_dots_and_many_have_boxes(students, boxes):
    study = make_random_study(students, 5)
    ax = plot("success_rate", study).axes[0]
    assert len(ax.patches) == boxes * len(study["transfers"].dropna(subset=["teacher"])["method"].unique()) // 3
    assert all(label.get_text().split("\n")[-1].replace(" to ", "").isdigit() for label in ax.get_xticklabels())


def test_bins_of_the_accuracy_difference_show_their_spread_and_number(random_study):
    ax = plot("delta_by_difference", random_study).axes[0]
    taught = random_study["transfers"].dropna(subset=["teacher", "delta"])
    assert sum(int(text.get_text()) for text in ax.texts) == len(taught)
    assert ax.collections  # the middle half of each bin
    assert (
        len({line.get_marker() for line in ax.lines if line.get_linestyle() == "-" and len(line.get_xdata()) > 2}) > 1
    )


def renamed(study, rename):
    """A synthetic study under other names of models."""
    roles = ("model", "student", "teacher", "other")
    return {
        name: table.assign(**{role: table[role].map(rename, na_action="ignore") for role in roles if role in table})
        for name, table in study.items()
    }


def test_letters_of_other_scripts_are_drawn_or_said_to_be_missing(random_study, tmp_path, capsys, monkeypatch):
    for fonts, words in ((None, ""), ((), "letters of names are in no font of this machine")):
        if fonts is None and not style._fonts_of_other_scripts():
            continue
        if fonts is not None:
            monkeypatch.setattr(style, "_fonts_of_other_scripts", lambda: [])
        chinese = renamed(random_study, lambda model: f"残差网络_{model}")
        save_figure(plot("pair_matrix", chinese), [tmp_path / "f.pdf", tmp_path / "f.png"])
        said = capsys.readouterr().out
        assert (words in said) if words else (said == "")


def test_a_label_keeps_both_ends():
    assert shorten("resnet50.a1_in1k") == "resnet50.a1_in1k"
    assert shorten("from " + "a" * 30 + "b" * 30) == "from " + "a" * 15 + "…" + "b" * 15


def test_eta_is_shown_with_what_chance_gives(random_study):
    rows = describe_transfers(*(random_study[table] for table in ("transfers", "complementarity", "models")))
    table = correlate(rows[rows["method"] == "kl"]).set_index("property")
    families = table[table["kind"] == "category"]
    assert families[["low", "high"]].isna().all(axis=None)
    assert families["chance"].between(0, 1).all()
    assert table.loc[table["kind"] == "numeric", "chance"].isna().all()


def test_a_control_outside_the_axis_is_said_to_be(random_study):
    transfers = random_study["transfers"]
    control = transfers["teacher"].isna()
    transfers.loc[control, "delta"] = -0.9
    figure = plot("transfer_delta", random_study)
    colours = {line.get_color() for line in figure.axes[0].lines if "(outside)" in str(line.get_label())}
    assert len(colours) == len(control_methods(transfers))


def test_teams_stand_beside_their_members(random_study):
    teams = random_study["teams"]
    left, right = plot("teams", random_study).axes
    students = list(teams["student"].unique())
    assert [text.get_text() for text in left.get_yticklabels()] == students
    first = teams[teams["student"] == students[0]]
    bar = left.patches[0]
    drawn = [bar.get_x(), bar.get_x() + bar.get_width()]
    np.testing.assert_allclose(drawn, 100 * first[["single_mean", "single_best"]].iloc[0])
    marks = [bars.lines[0].get_xdata()[0] for bars in left.containers if hasattr(bars, "lines")][: len(first)]
    np.testing.assert_allclose(marks, 100 * first["delta"])
    sequential = np.mean(np.stack(teams.query("way == 'sequential'")["stage_delta"]), axis=0)
    np.testing.assert_allclose(right.lines[0].get_ydata(), [0, *(100 * sequential)])
    teams["delta"] = np.nan
    assert plot("teams", random_study).axes[0].texts[0].get_text() == "no team of this study has a result"


def test_a_control_that_loses_everything_is_told_and_flattens_nothing(random_study):
    for table in ("sweeps", "histories"):
        rows = random_study[table]
        rows.loc[rows["method"] == "labels", "loss"] = 0.6
    figure = plot("scaling", random_study)
    assert figure.axes[0].get_title(loc="left") == "not shown: labels (control) loses up to 60 %"
    assert figure.axes[3].get_ylim()[1] < 10
    axes = plot("learning_curves", random_study).axes
    assert axes[-1].get_title(loc="left") == "labels\n(control):\nloses 60 %"
    assert axes[0].get_ylim()[1] < 10


def test_a_figure_of_one_method_or_family_has_its_rows_alone(random_study):
    transfers, models = random_study["transfers"], random_study["models"]
    assert list(of_method(transfers, "kl_dp")["method"].unique()) == ["kl_dp", "self", "labels"]
    families = of_family(transfers, "mlp", models).merge(models, left_on="student", right_on="model")["family"]
    assert set(families) == {"mlp"}
    for table in ("models", "complementarity"):
        assert of_method(random_study[table], "kl_dp") is of_family(random_study[table], "mlp", models)


def test_a_table_page_shows_columns_that_say_something_and_escapes_them(random_study):
    models = random_study["models"].assign(remark=["<b>"] + [None] * 8, excluded=None, of_another_version=1)
    page = render_table(models, "models")
    assert "<h1" in page and "models: 9 rows" in page
    assert page.count("<tr>") == 1 + 9
    assert "&lt;b&gt;" in page and ">excluded" not in page
    assert f"{models['accuracy'][0]:.4g}" in page
    assert "<td>model4.t, model5.t, model6.t<td>" in render_table(random_study["teams"], "teams")
    long = pd.concat([models] * 300)
    assert "2,700 rows, the first 2,000 of them here" in render_table(long, "models")


def test_repetitions_that_measure_rounding_are_no_control(random_study):
    transfers = random_study["transfers"]
    repeated = transfers[transfers["method"] == "labels"].assign(method="rounding", weight_perturbation=1e-7)
    transfers = pd.concat([transfers, repeated], ignore_index=True)
    assert control_methods(transfers) == ["self", "labels"]
    assert set(describe_histories(transfers)["method"]) == set(random_study["transfers"]["method"])


def is_shown(tick, axis):
    """Whether a tick lies inside the view of its axis; others keep their labels, which are not drawn."""
    low, high = sorted(axis.get_view_interval())
    room = 1e-6 * (high - low)
    return low - room <= tick.get_loc() <= high + room


def boxes_of_texts(figure):
    """(text, box in pixels) of everything that is written on a figure."""
    figure.draw_without_rendering()
    axes = [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]
    ticks = [(tick, axis) for axis in axes for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())]
    hidden = {label for tick, axis in ticks if not is_shown(tick, axis) for label in (tick.label1, tick.label2)}
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return [(text.get_text(), text.get_window_extent()) for text in texts if text not in hidden]


def check_texts(figure):
    """No text covers another one or ends outside of the picture."""
    whole, boxes = figure.bbox, boxes_of_texts(figure)
    for text, box in boxes:
        beyond = max(whole.x0 - box.x0, box.x1 - whole.x1, whole.y0 - box.y0, box.y1 - whole.y1)
        assert beyond < 3, f"{beyond:.0f} pixels of '{text}' are outside"
    for (one, box), (other, other_box) in combinations(boxes, 2):
        wide = min(box.x1, other_box.x1) - max(box.x0, other_box.x0)
        high = min(box.y1, other_box.y1) - max(box.y0, other_box.y0)
        assert min(wide, high) < 2, f"'{one}' and '{other}' share {wide:.0f} x {high:.0f} pixels"


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(
    ("width", "kind"), [("column", "many"), ("column", "long names"), ("page", "long names"), ("screen", "many")]
)
def test_texts_have_room_at_every_width(name, width, kind, capsys):
    study = make_random_study(*((12, 9) if kind == "many" else (4, 5)))
    if kind == "long names":
        study = renamed(study, lambda model: f"残差网络_{model}_{'x' * 150}_моя модель")
    with at_width(width):
        figure = plot(name, study)
    save_figure(figure, [])
    assert figure.get_figwidth() == WIDTHS[width]
    check_texts(figure)
    shares = [ax.get_position().width * ax.get_position().height for ax in figure.axes]
    assert sum(shares) > 0.1  # of the picture
    assert "constrained_layout" not in capsys.readouterr().out


def test_a_contact_sheet_holds_the_figures_of_one_width(random_study, tmp_path):
    for folder in ("figures/column", "figures/by_method/gain_loss"):
        (tmp_path / folder).mkdir(parents=True)
    with at_width("column"):
        for name in ("complementarity", "gain_loss"):
            save_figure(plot(name, random_study), [tmp_path / f"figures/column/{name}.png"])
    main([str(tmp_path), "--width", "column"])
    main([str(tmp_path), "--width", "column"])  # the sheet itself is no figure
    with (
        Image.open(tmp_path / "contact_sheet_column.png") as sheet,
        Image.open(tmp_path / "figures/column/gain_loss.png") as right,
    ):
        assert sheet.getpixel((0, 0)) == (255, 255, 255)
        left = round(WIDTHS["column"] * 300) + GAP
        shown = sheet.crop((left, 0, left + right.width, right.height))
        assert shown.tobytes() == right.convert("RGB").tobytes()
    with pytest.raises(InputError, match="no PNG files there"):
        main([str(tmp_path)])


def test_panels_stand_in_rows_as_equal_as_they_can_be():
    assert arrange(3, 6.9) == (1, 3)
    assert arrange(6, 6.9) == (2, 3)
    assert arrange(3, 3.35) == (2, 2)
    assert arrange(3, 3.35, narrowest=2.2) == (3, 1)
    assert arrange(1, 1) == (1, 1)


def test_a_figure_in_one_column_shows_the_same_data(random_study):
    """Panels in several rows: each keeps its marks, and each row has its label."""
    figure = plot("transfer_delta", random_study)
    with at_width("column"):
        narrow = plot("transfer_delta", random_study)
    assert [points_of(ax) for ax in narrow.axes] == [points_of(ax) for ax in figure.axes]
    assert [bool(ax.get_ylabel()) for ax in narrow.axes] == [True, False, True]
    assert plot("transfer_delta", random_study).get_figwidth() == WIDTHS["page"]
    with pytest.raises(InputError, match="width: colum is none of column, page, screen"), at_width("colum"):
        pass
