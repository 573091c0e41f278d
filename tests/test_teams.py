"""Several teachers for one student: on real small networks, and as the workflow plans them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import write_knowing_teachers
from safetensors.torch import load_file
from test_transfer import LABELS, PIXELS, SPEC, seeded

from transfer_atlas.analysis.significance import judge_teams
from transfer_atlas.errors import InputError, Stopped
from transfer_atlas.store.tables import gather, read_table, write_excluded
from transfer_atlas.study.teams import choose_teams, students_of_soups, trainings_of_teams
from transfer_atlas.transfer.block import run_block
from transfer_atlas.transfer.student import Teacher
from transfer_atlas.transfer.teams import MostConfident, TeamSpec, average_weights, stages_of, teach_as_team

GENERATOR = np.random.default_rng(1)
DP = replace(SPEC, method="kl_dp", teacher=None, target="most_confident", confidence="label")
MEASURED = ("accuracy_after", "gain", "loss", "delta", "transfer_rate")


@pytest.fixture
def student(vit_row, student_files):
    transforms = [{"name": "RandomHorizontalFlip"}]
    return student_files(vit_row, lambda: seeded(vit_row, 1), PIXELS, LABELS, views=2, transforms=transforms)


@pytest.fixture
def teachers(tmp_path):
    """Three that know the labels of other thirds of the images, and are wrong elsewhere; the first knows most."""
    return write_knowing_teachers(tmp_path, {"a.t": (0, 35), "b.t": (30, 50), "c.t": (45, 60)}, LABELS, GENERATOR)


@pytest.fixture
def teach(tmp_path, student, teachers):
    """Teach the student by a team and return its row as a dict."""

    def run(way, names, transfer=DP, students=()):
        path = tmp_path / f"results/teams/{way}/s.t/{'_'.join(names)}/{transfer.seed}.parquet".replace(".t", "")
        path.unlink(missing_ok=True)
        spec = TeamSpec(way, "team", tuple(names), transfer)
        teach_as_team(spec, path, student, {name: teachers[name] for name in names}, list(students), 10, "code")
        return read_table(path).to_dict("records")[0]

    return run


@pytest.fixture
def alone(tmp_path, student, teachers):
    """Make the transfers from single teachers, weights kept; returns files of tables and of weights."""

    def run(names, transfer=DP):
        tables = [tmp_path / f"results/transfers/kl_dp/s.t/{name}/0.parquet" for name in names]
        specs = [replace(transfer, teacher=name) for name in names]
        run_block(specs, tables, student, teachers, 10, "code", keep=dict.fromkeys(tables, "last"))
        return tables, [table.with_suffix(".safetensors") for table in tables]

    return run


@pytest.mark.parametrize("way", ["sequential", "descending", "matched", "parallel", "soup"])
@pytest.mark.parametrize("slow", [None, {"tau": 0.9, "every_images": 16}])
def test_a_team_of_one_is_that_one(teach, alone, way, slow):
    transfer = replace(DP, slow_weights=slow, evaluate_epochs=True)
    (table,), students = alone(["b.t"], transfer)
    single = read_table(table).to_dict("records")[0]
    row = teach(way, ["b.t"], transfer, students if way == "soup" else ())
    assert {name: row[name] for name in MEASURED} == {name: single[name] for name in MEASURED}
    assert row["right_after"] == single["right_after"]
    assert (list(row["teachers"]), row["epochs"], list(row["stage_delta"])) == (["b.t"], 3, [row["delta"]])
    if way != "soup":
        for column in ("epoch_objective", "epoch_gain", "epoch_loss"):
            assert list(row[column]) == list(single[column])


def test_a_sequence_is_its_stages_one_after_another(teach, vit_row, student_files, tmp_path, teachers):
    row = teach("sequential", ["a.t", "b.t", "c.t"], replace(DP, evaluate_epochs=True))
    assert list(row["teachers"]) == ["c.t", "b.t", "a.t"]  # the least accurate first
    assert (row["epochs"], len(row["epoch_objective"]), len(row["epoch_gain"])) == (9, 9, 9)
    assert row["stage_delta"][-1] == row["delta"]
    # the second stage alone: of a student that begins where the first ended, and is its own frozen student
    first = teach("sequential", ["c.t"])
    assert first["delta"] == row["stage_delta"][0]
    model = trained(student_files, vit_row, "c.t", teachers, tmp_path)
    student = student_files(vit_row, lambda: model, PIXELS, LABELS, 2, [{"name": "RandomHorizontalFlip"}])
    path = tmp_path / "results/transfers/kl_dp/s.t/again/0.parquet"
    run_block([replace(DP, teacher="b.t", first_view=3)], [path], student, teachers, 10, "code")
    again = read_table(path).to_dict("records")[0]
    np.testing.assert_allclose(row["epoch_objective"][3:6], again["epoch_objective"], rtol=1e-5)
    assert row["stage_delta"][1] == pytest.approx(again["accuracy_after"] - row["accuracy_before"])


def trained(student_files, vit_row, teacher, teachers, tmp_path):
    student = student_files(vit_row, lambda: seeded(vit_row, 1), PIXELS, LABELS, 2, [{"name": "RandomHorizontalFlip"}])
    path = tmp_path / "results/transfers/kl_dp/s.t/first/0.parquet"
    run_block([replace(DP, teacher=teacher)], [path], student, teachers, 10, "code", keep={path: "last"})
    model = student.build()
    model.load_state_dict(load_file(path.with_suffix(".safetensors")))
    return model


def test_stages_by_hand():
    accuracies = {"a": 0.8, "b": 0.5, "c": 0.9}
    assert stages_of("sequential", 20, accuracies) == [("b", 20), ("a", 20), ("c", 20)]
    assert stages_of("descending", 20, accuracies) == [("c", 20), ("a", 20), ("b", 20)]
    assert stages_of("matched", 20, accuracies) == [("b", 7), ("a", 7), ("c", 6)]


def test_in_parallel_the_most_confident_teaches_each_image(teachers):
    team = MostConfident(teachers, LABELS, DP)
    rows = np.array([50, 2, 40])
    logits = team[1, rows]
    expected = [teachers[name].logits[1, row] for name, row in (("c.t", 50), ("a.t", 2), ("b.t", 40))]
    assert np.array_equal(logits, np.stack(expected))
    assert team.correct.all()
    same = MostConfident({"x": teachers["a.t"], "y": teachers["a.t"]}, LABELS, replace(DP, calibrate=True))
    assert np.array_equal(same[0, rows], teachers["a.t"].logits[0, rows])


def test_a_team_in_parallel_knows_more_than_each(teach):
    together = teach("parallel", ["a.t", "b.t", "c.t"], replace(DP, epochs=20))
    each = [teach("parallel", [name], replace(DP, epochs=20))["delta"] for name in ("a.t", "b.t", "c.t")]
    assert together["delta"] > max(each)
    assert together["positive_flips"] == pytest.approx(1 - together["accuracy_before"])


def test_a_soup_is_the_mean_of_its_students(teach, alone, student):
    names = ["a.t", "c.t"]
    _, files = alone(names)
    row = teach("soup", names, students=files)
    states = [load_file(file) for file in files]
    model = student.build()
    model.load_state_dict({name: (states[0][name] + states[1][name]) / 2 for name in states[0]})
    assert row["right_after"] == np.packbits(student.evaluate(model)).tobytes()
    assert (row["epochs"], row["epoch_objective"]) == (6, None)


def test_a_mean_of_weights_leaves_integers_alone():
    states = [
        {"w": torch.tensor([1.0, 2.0]), "n": torch.tensor(3)},
        {"w": torch.tensor([3.0, 2.0]), "n": torch.tensor(5)},
    ]
    mean = average_weights(states)
    assert (mean["w"].tolist(), mean["n"].item()) == ([2.0, 2.0], 3)


def test_a_soup_without_one_of_its_students_is_a_row_with_its_reason(teach, alone):
    _, files = alone(["a.t", "b.t"], replace(DP, lr=1e12))
    row = teach("soup", ["a.t", "b.t"], students=files)
    assert row["remark"].startswith("of the transfer from a.t there is no student: diverged: ")
    assert np.isnan(row["delta"])


def test_a_team_with_an_excluded_teacher_is_a_row_with_its_reason(teach, teachers, tmp_path):
    write_excluded("predictions", tmp_path / "x.parquet", "logits are not finite", {"device": "cpu"})
    np.save(tmp_path / "x.npy", np.empty((0, 0, 0), np.float16))
    teachers["x.t"] = Teacher(str(tmp_path / "x.npy"), str(tmp_path / "x.parquet"))
    row = teach("parallel", ["a.t", "x.t"])
    assert row["remark"] == "the teacher x.t is excluded: logits are not finite"
    assert row["teachers"] is None


@pytest.mark.parametrize("stops_after", range(1, 25, 3))
def test_a_stopped_sequence_goes_on_to_the_same_bits(teach, monkeypatch, tmp_path, stops_after):
    names, transfer = ["a.t", "b.t"], replace(DP, epochs=2, slow_weights={"tau": 0.9, "every_images": 16})
    undisturbed = teach("sequential", names, transfer)
    calls = iter(range(1000))
    monkeypatch.setattr("transfer_atlas.transfer.block.stop_on_signals", lambda: lambda: next(calls) >= stops_after)
    with pytest.raises(Stopped):
        teach("sequential", names, transfer)
    assert list((tmp_path / "results/checkpoints").rglob("*.pt"))
    monkeypatch.setattr("transfer_atlas.transfer.block.stop_on_signals", lambda: lambda: False)
    assert str(teach("sequential", names, transfer)) == str(undisturbed)
    assert not [path for path in (tmp_path / "results/checkpoints").rglob("*") if path.is_file()]


def test_a_team_is_judged_beside_its_members(teach, alone, tmp_path):
    names = ["a.t", "b.t", "c.t"]
    tables, files = alone(names)
    for way in ("parallel", "soup"):
        teach(way, names, students=files if way == "soup" else ())
    found, _ = gather(sorted(tmp_path.glob("results/teams/*/s/a_b_c/0.parquet")), "team")
    singles, _ = gather(tables, "transfer")
    judged = judge_teams(found, singles, pd.Series(dtype=float))
    assert judged["single_mean"].tolist() == pytest.approx([singles["delta"].mean()] * 2)
    assert judged["single_best"].tolist() == pytest.approx([singles["delta"].max()] * 2)
    np.testing.assert_allclose(
        judged["single_best_gain"] - judged["single_best_loss"], judged["delta"] - judged["single_best"], atol=1e-12
    )
    assert set(judged["best_teacher"]) == {names[singles["delta"].argmax()]}
    assert judged["single_best_p"].between(0, 1).all()


PAIRS = [
    {"student": s, "teacher": t} for s in ("s.1", "s.2") for t in ("a.1", "b.1", "c.1") if (s, t) != ("s.2", "c.1")
]
METHODS = {"kl_dp": {"target": "most_confident", "seeds": [0, 1], "epochs": 2, "image_share": 0.5}}


def test_a_team_teaches_the_students_whose_pairs_hold_it():
    section = {
        "method": "kl_dp",
        "ways": ["sequential", "soup"],
        "teachers": {"two": ["a.1", "b.1"], "three": ["a.1", "b.1", "c.1"]},
    }
    chosen = choose_teams(section, PAIRS, METHODS)
    assert chosen[:4] == [("sequential", s, "two", seed) for s in ("s.1", "s.2") for seed in (0, 1)]
    assert {student for _, student, team, _ in chosen if team == "three"} == {"s.1"}
    assert students_of_soups(section, chosen) == {("kl_dp", p["student"], p["teacher"]) for p in PAIRS}
    trained_for = trainings_of_teams(section, METHODS, chosen)
    assert pd.Series(trained_for).value_counts().to_dict() == {
        ("s.1", 4, 0.5): 2,
        ("s.2", 4, 0.5): 2,
        ("s.1", 6, 0.5): 2,
    }
    assert choose_teams(None, PAIRS, METHODS) == trainings_of_teams(None, METHODS, []) == []


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"method": "kl"}, "config key 'teams.method': 'kl' is no method with a teacher"),
        ({"students": ["s.3"]}, "config key 'teams.students': 's.3' is no student of the pairs; did you mean s"),
        (
            {"teachers": {"t": ["a.1", "d.1"]}},
            "config key 'teams.teachers.t': no student whose pairs hold all of a.1, d.1",
        ),
        ({"teachers": {"t": ["a.1", "b.1", "c.1"]}}, "2 epochs are too few for 3 teachers one after another"),
    ],
)
def test_a_team_that_cannot_be_is_one_line(change, line):
    section = {"method": "kl_dp", "ways": ["matched"], "teachers": {"t": ["a.1"]}}
    with pytest.raises(InputError, match=line.replace(".", r"\.")):
        choose_teams(section | change, PAIRS, METHODS)


@pytest.mark.parametrize("how", [{"target": "mutual"}, {"contrast": {"loss": "cd", "weight": 10}}])
def test_a_team_gives_logits_and_nothing_else(how):
    section = {"method": "kl_dp", "ways": ["parallel"], "teachers": {"t": ["a.1"]}}
    with pytest.raises(InputError, match="'kl_dp' needs more of a teacher than its logits"):
        choose_teams(section, PAIRS, {"kl_dp": METHODS["kl_dp"] | how})


def test_a_soup_is_of_last_epochs():
    section = {"method": "kl_dp", "ways": ["soup"], "teachers": {"t": ["a.1"]}}
    methods = {"kl_dp": METHODS["kl_dp"] | {"keep_weights": "best"}}
    with pytest.raises(InputError, match="a soup is of last epochs, but 'kl_dp' has keep_weights: best"):
        choose_teams(section, PAIRS, methods)


def test_teams_need_pairs_that_are_known():
    with pytest.raises(InputError, match="needs pairs that are known"):
        choose_teams({"method": "kl_dp", "ways": ["soup"], "teachers": {"t": ["a.1"]}}, None, METHODS)
