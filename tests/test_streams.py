"""Streams of teachers: on real small networks, their ledger against brute force, and what may be asked for."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import write_knowing_teachers
from safetensors.torch import load_file
from scipy.stats import binom
from test_transfer import LABELS, PIXELS, SPEC, seeded

from transfer_atlas.analysis.ledger import describe_ledger, describe_stages, describe_streams, unpack
from transfer_atlas.analysis.strategies import compare_strategies
from transfer_atlas.errors import InputError, Stopped
from transfer_atlas.statistics import improvement_p
from transfer_atlas.store.tables import gather, read_table, write_chunks, write_excluded, write_table
from transfer_atlas.study.streams import choose_streams, models_of, trainings_of_streams
from transfer_atlas.transfer.block import run_block
from transfer_atlas.transfer.streams import Stream, StreamSpec, teach_in_stream
from transfer_atlas.transfer.student import Teacher

GENERATOR = np.random.default_rng(1)
DP = replace(SPEC, method="kl_dp", teacher=None, target="most_confident", confidence="label", select_share=0.3)
LABELS_ALONE = replace(DP, method="labels", target=None, confidence=None, label_weight=1.0)
ALWAYS = 2.0  # no p is as large, so every stage is kept
NAMES = ("a.t", "b.t", "c.t")


@pytest.fixture
def student(vit_row, student_files):
    transforms = [{"name": "RandomHorizontalFlip"}]
    return student_files(vit_row, lambda: seeded(vit_row, 1), PIXELS, LABELS, views=2, transforms=transforms)


@pytest.fixture
def teachers(tmp_path):
    """Three that know the labels of other parts of the images, and are wrong elsewhere; the first knows most."""
    return write_knowing_teachers(tmp_path, {"a.t": (0, 40), "b.t": (30, 55), "c.t": (50, 60)}, LABELS, GENERATOR)


@pytest.fixture
def teach(tmp_path, student, teachers):
    """Teach the student by a stream and return its row as a dict."""

    def run(way, transfer=DP, stages=3, stop=ALWAYS, students=(), keep=None):
        path = tmp_path / f"results/streams/{way}/s.t/{transfer.seed}.parquet"
        path.unlink(missing_ok=True)
        spec = StreamSpec(way, stages, stop, transfer)
        teach_in_stream(spec, path, student, teachers, list(students), 10, "code", keep)
        return read_table(path).to_dict("records")[0]

    return run


@pytest.fixture
def alone(tmp_path, student, teachers):
    """Make the transfers from single teachers, weights kept; returns files of tables and of weights."""

    def run(transfer=DP):
        tables = [tmp_path / f"results/improve/kl_dp/s.t/{name}/0.parquet" for name in teachers]
        specs = [replace(transfer, teacher=name) for name in teachers]
        run_block(specs, tables, student, teachers, 10, "code", keep=dict.fromkeys(tables, "best"))
        return tables, [table.with_suffix(".safetensors") for table in tables]

    return run


def names_of(row):
    return [list(names) for names in row["stage_teachers"]]


def test_the_p_of_an_improvement_is_mid_p():
    for gains, losses in itertools.product(range(0, 30, 3), range(0, 30, 4)):
        expected = binom.sf(gains, gains + losses, 0.5) + 0.5 * binom.pmf(gains, gains + losses, 0.5)
        p = improvement_p(gains / 200, losses / 200, 200)
        assert p == pytest.approx(expected, abs=1e-12)
        assert (p < 0.5) == (gains > losses)


def test_a_stream_of_one_stage_is_that_transfer(teach, alone):
    tables, _ = alone()
    singles, _ = gather(tables, "transfer")
    row = teach("accuracy", stages=1)
    single = singles[singles["teacher"] == row["stage_teachers"][0][0]].iloc[0]
    assert (row["gain"], row["loss"]) == (single["best_gain"], single["best_loss"])
    assert row["selected_accuracy"] == single["selected_accuracy"]
    assert row["epochs"] == 3


def test_the_next_teacher_is_the_one_that_the_way_says(teach, student, teachers):
    short = replace(DP, epochs=1)
    stream = Stream(StreamSpec("flips", 3, ALWAYS, DP), student, NoStop)
    right = {name: stream.teacher_right(teacher) for name, teacher in teachers.items()}
    flips = {name: (~stream.right_apart & knows).sum() for name, knows in right.items()}
    by_accuracy = sorted(right, key=lambda name: right[name].sum(), reverse=True)
    assert names_of(teach("accuracy", short)) == [[name] for name in by_accuracy]
    row = teach("flips", short)
    assert names_of(row)[0] == [max(flips, key=flips.get)]
    assert sorted(name for (name,) in names_of(row)) == list(NAMES)  # each once
    assert names_of(teach("same", short, stages=2)) == [names_of(row)[0]] * 2
    drawn = names_of(teach("random", short))
    assert sorted(name for (name,) in drawn) == list(NAMES)
    assert names_of(teach("random", short)) == drawn
    others = [names_of(teach("random", replace(short, seed=seed))) for seed in range(1, 6)]
    assert any(other != drawn for other in others)
    assert names_of(teach("labels", replace(LABELS_ALONE, epochs=1), stages=2)) == [[], []]


class NoStop:
    """A checkpoint that nobody asks to stop."""

    @staticmethod
    def stop():
        return False


def test_a_stage_that_does_not_help_is_not_kept_and_ends_the_stream(teach, student):
    row = teach("flips", replace(DP, lr=1e-12), stop=0.5)  # changes no answer: as many gained as lost
    assert (list(row["stage_kept"]), list(row["stage_p"])) == ([False], [0.5])
    assert (row["gain"], row["loss"], row["epochs"]) == (0, 0, 3)
    assert row["selected_accuracy"] == row["apart_accuracy_before"]
    assert row["right_after"] == row["right_before"] == np.packbits(student.correct).tobytes()


def test_stages_that_are_kept_are_those_that_the_images_kept_apart_say(teach):
    row = teach("flips", replace(DP, epochs=8), stop=0.5)
    assert [p < 0.5 for p in row["stage_p"]] == list(row["stage_kept"])
    assert all(row["stage_kept"][:-1])
    gained = sum(row["stage_apart_gain"][:-1]) - sum(row["stage_apart_loss"][:-1])
    gained += (row["stage_apart_gain"][-1] - row["stage_apart_loss"][-1]) * row["stage_kept"][-1]
    assert row["selected_accuracy"] == pytest.approx(row["apart_accuracy_before"] + gained)


def test_a_stream_starts_each_stage_from_the_student_as_it_is_then(teach):
    short, long = teach("accuracy", stages=2), teach("accuracy", stages=3)
    assert list(short["stage_right"]) == list(long["stage_right"])[:2]
    assert list(short["epoch_objective"]) == list(long["epoch_objective"])[:6]
    assert long["epoch_objective"][3] != long["epoch_objective"][0]


def test_a_soup_is_of_the_students_that_the_images_kept_apart_would_keep(teach, alone):
    tables, files = alone(replace(DP, epochs=8))
    singles, _ = gather(tables, "transfer")
    row = teach("soup", replace(DP, epochs=8), stop=0.5, students=files)
    better = singles[singles["selected_accuracy"] > row["apart_accuracy_before"]]["teacher"].tolist()
    assert names_of(row) == ([better] if better else [])
    assert row["epochs"] == 24


def test_an_excluded_teacher_is_no_candidate(teach, teachers, tmp_path):
    write_excluded("predictions", tmp_path / "x.parquet", "logits are not finite", {"device": "cpu"})
    np.save(tmp_path / "x.npy", np.empty((0, 0, 0), np.float16))
    teachers["x.t"] = Teacher(str(tmp_path / "x.npy"), str(tmp_path / "x.parquet"))
    assert sorted(name for (name,) in names_of(teach("flips", stages=4))) == list(NAMES)


def test_a_student_without_candidates_stays_as_it_is(teach, teachers, tmp_path):
    write_excluded("predictions", tmp_path / "x.parquet", "logits are not finite", {"device": "cpu"})
    teachers.clear()
    teachers["x.t"] = Teacher(str(tmp_path / "x.npy"), str(tmp_path / "x.parquet"))
    np.save(tmp_path / "x.npy", np.empty((0, 0, 0), np.float16))
    row = teach("flips")
    assert (len(row["stage_kept"]), row["delta"], row["epochs"]) == (0, 0, 0)


@pytest.mark.parametrize("stops_after", range(1, 40, 13))
def test_a_stopped_stream_goes_on_to_the_same_bits(teach, monkeypatch, tmp_path, stops_after):
    transfer = replace(DP, epochs=2)
    undisturbed = teach("flips", transfer, keep="last")
    weights = tmp_path / "results/streams/flips/s.t/0.safetensors"
    before = load_file(weights)
    weights.unlink()
    calls = iter(range(1000))
    monkeypatch.setattr("transfer_atlas.transfer.block.stop_on_signals", lambda: lambda: next(calls) >= stops_after)
    with pytest.raises(Stopped):
        teach("flips", transfer, keep="last")
    monkeypatch.setattr("transfer_atlas.transfer.block.stop_on_signals", lambda: lambda: False)
    assert str(teach("flips", transfer, keep="last")) == str(undisturbed)
    after = load_file(weights)
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert not [path for path in (tmp_path / "results/checkpoints").rglob("*") if path.is_file()]


@pytest.fixture
def gathered(teach, alone, teachers, tmp_path):
    """Streams of all ways and the transfers beside them: (streams, singles, right_of, images)."""
    tables, files = alone()
    for way in ("flips", "random", "soup"):
        teach(way, students=files)
    teach("labels", LABELS_ALONE)
    streams, _ = gather(sorted((tmp_path / "results/streams").glob("*/s.t/0.parquet")), "stream")
    singles, _ = gather(tables, "transfer")
    predictions = {"s.t": tmp_path / "student.parquet"} | {name: tmp_path / f"{name}.parquet" for name in teachers}
    right_of = {name: read_table(path)["correct"].to_numpy() for name, path in predictions.items()}
    return streams, singles, right_of, read_table(tmp_path / "student.parquet")


def test_the_ledger_is_what_brute_force_counts(gathered, tmp_path):
    streams, _, right_of, images = gathered
    write_chunks(describe_ledger(streams, right_of, images), "ledger", tmp_path / "ledger.parquet")
    ledger = read_table(tmp_path / "ledger.parquet")
    assert len(ledger) == 60 * len(streams)
    seen = set()
    for (way, *_), rows in ledger.groupby(["way", "method", "student", "seed"]):
        stream = streams[streams["way"] == way].iloc[0]
        kept = [number for number, is_kept in enumerate(stream["stage_kept"]) if is_kept]
        history = [unpack(stream["right_before"], 60), *(unpack(stream["stage_right"][number], 60) for number in kept)]
        taught = [list(stream["stage_teachers"][number]) for number in kept]
        for image, row in enumerate(rows.itertuples()):
            answers = [right[image] for right in history]
            gains = [at for at in range(1, len(answers)) if answers[at] and not answers[at - 1]]
            losses = [at for at in range(1, len(answers)) if answers[at - 1] and not answers[at]]
            seen |= {("gained", bool(gains)), ("lost", bool(losses)), ("both", bool(gains and losses))}
            assert (row.right_before, row.right_after) == (answers[0], answers[-1])
            assert row.image == images["image"][image]
            assert (row.gained_stage if gains else pd.isna(row.gained_stage)) == (gains[0] if gains else True)
            assert (row.lost_stage if losses else pd.isna(row.lost_stage)) == (losses[-1] if losses else True)
            if gains:
                assert list(row.gained_from) == taught[gains[0] - 1]
                assert row.teacher_knew == any(right_of[name][image] for name in taught[gains[0] - 1])
            every = list(dict.fromkeys(name for names in taught for name in names))
            assert list(row.known_by) == [name for name in every if right_of[name][image]]
    assert {("gained", True), ("lost", True)} <= seen


def test_gains_less_losses_are_the_delta_of_each_stage(gathered, tmp_path):
    streams, _, right_of, _ = gathered
    write_table(describe_stages(streams, right_of), "stages", tmp_path / "stages.parquet")
    stages = read_table(tmp_path / "stages.parquet")
    assert len(stages) == sum(map(len, streams["stage_kept"]))
    for stream in streams.itertuples():
        of_stream = stages[(stages["way"] == stream.way) & stages["kept"]]
        assert of_stream["delta"].sum() == pytest.approx(stream.delta)
    for stage in stages.itertuples():
        assert stage.delta == pytest.approx(stage.gain - stage.loss)
        assert stage.transferred_flips <= stage.teacher_flips or stage.way == "labels"
    first = stages[(stages["way"] == "flips") & (stages["stage"] == 1)].iloc[0]
    before = right_of["s.t"]
    assert first["teacher_flips"] == (~before & right_of[first["teachers"][0]]).mean()


def test_strategies_are_compared_on_the_same_images(gathered, tmp_path):
    streams, singles, right_of, _ = gathered
    write_table(compare_strategies(streams, singles, right_of), "strategies", tmp_path / "x.parquet")
    table = read_table(tmp_path / "x.parquet").set_index("strategy")
    assert table.loc["flips", "delta"] == streams.set_index("way").loc["flips", "delta"]
    best = singles.loc[singles["selected_accuracy"].idxmax()]
    if best["selected_accuracy"] > streams["apart_accuracy_before"].iloc[0]:
        assert table.loc["single", "gain"] == best["best_gain"]
        assert list(table.loc["single", "teachers"]) == [best["teacher"]]
    deltas = singles["best_gain"] - singles["best_loss"]
    assert table.loc["single_hindsight", "delta"] == pytest.approx(deltas.max())
    assert list(table.loc["single_accurate", "teachers"]) == ["a.t"]
    known = np.any([right_of[name] for name in NAMES], axis=0)
    assert table.loc["oracle", "delta"] == (known & ~right_of["s.t"]).mean()
    assert table.loc[["single", "single_hindsight"], "epochs"].tolist() == [9, 9]
    judged = describe_streams(streams, singles).set_index("way")
    assert table.loc["flips", "p"] == judged.loc["flips", "p"]


def test_a_stream_of_random_teachers_gains_nothing_on_the_evaluation_images():
    """200 streams whose stages change one answer in thirty at random: what is kept by the images kept apart gains nothing elsewhere."""
    generator, deltas = np.random.default_rng(0), []
    for _ in range(200):
        apart, evaluation = generator.random(500) < 0.5, generator.random(2000) < 0.5
        before = evaluation
        for _ in range(5):
            after_apart, after = (split ^ (generator.random(len(split)) < 1 / 30) for split in (apart, evaluation))
            gain, loss = (~apart & after_apart).mean(), (apart & ~after_apart).mean()
            if improvement_p(gain, loss, 500) >= 0.5:
                break
            apart, evaluation = after_apart, after
        deltas.append(evaluation.mean() - before.mean())
    assert len(set(deltas)) > 50
    assert abs(np.mean(deltas)) < 1.96 * np.std(deltas, ddof=1) / np.sqrt(200)


PAIRS = [{"student": s, "teacher": t} for s in ("s.1", "s.2") for t in ("a.1", "b.1")]
KL_DP = {"target": "most_confident", "seeds": [0, 1], "epochs": 2, "image_share": 0.5, "perturb_weights": 0.0}
LABELS_RECIPE = {key: value for key, value in KL_DP.items() if key != "target"} | {"label_weight": 1.0}
METHODS = {"kl_dp": KL_DP, "labels": LABELS_RECIPE}
STREAM = {"method": "kl_dp", "stages": 3, "stop": 0.5, "ways": ["flips", "labels", "soup"]}


def test_streams_of_a_study():
    chosen = choose_streams({"stream": STREAM}, PAIRS, METHODS)
    assert chosen[:4] == [("flips", s, seed) for s in ("s.1", "s.2") for seed in (0, 1)]
    assert len(chosen) == 12
    assert models_of(chosen, PAIRS) == ["s.1", "s.2", "a.1", "b.1"]
    only = choose_streams({"stream": STREAM | {"students": ["s.2"]}}, PAIRS, METHODS)
    assert {student for _, student, _ in only} == {"s.2"}
    trained = trainings_of_streams({"stream": STREAM}, METHODS, only, PAIRS)
    # two seeds of two ways in three stages, and of each teacher alone
    assert pd.Series(trained).value_counts().to_dict() == {("s.2", 6, 0.5): 4, ("s.2", 2, 0.5): 4}
    assert choose_streams({}, PAIRS, METHODS) == trainings_of_streams({}, METHODS, [], PAIRS) == []


@pytest.mark.parametrize(
    ("change", "pairs", "line"),
    [
        ({"method": "kl_d"}, PAIRS, "'improve.stream.method': 'kl_d' is none of the methods .*; did you mean kl_dp"),
        ({"method": "labels"}, PAIRS, "'improve.stream.method': 'labels' is none of the methods that are tried"),
        (
            {"students": ["s.3"]},
            PAIRS,
            r"'improve.stream.students': 's.3' is no student of the pairs; did you mean s",
        ),
        ({}, [], "'improve.stream' needs teachers that are known: name them in 'improve.teachers'"),
    ],
)
def test_a_stream_that_cannot_be_is_one_line(change, pairs, line):
    with pytest.raises(InputError, match=line):
        choose_streams({"stream": STREAM | change}, pairs, METHODS)


def test_a_stream_gives_logits_and_nothing_else():
    for more in ({"target": "mutual"}, {"contrast": {"loss": "cd", "weight": 10}}):
        with pytest.raises(InputError, match="need no more of a teacher than its logits"):
            choose_streams({"stream": STREAM}, PAIRS, METHODS | {"kl_dp": KL_DP | more})
    with pytest.raises(InputError, match="'labels' needs a method of that name"):
        choose_streams({"stream": STREAM}, PAIRS, {"kl_dp": KL_DP})
