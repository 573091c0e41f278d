"""Choice of pairs and their grouping into jobs."""

import pandas as pd
import pytest

from transfer_atlas.complementarity.choice import choose_teachers
from transfer_atlas.errors import InputError
from transfer_atlas.study.pairs import choose_pairs
from transfer_atlas.study.plan import ANY_SEED, CONTROLS, NO_TEACHER, open_blocks, transfer_blocks, transfers_of

ZOO = ["a.1", "b.1", "c.1", "d.1"]
TARGETS = {"kl": {"target": "teacher"}, "dp": {"target": "most_confident"}, "self": {"target": "student"}, "labels": {}}
METHODS = {name: {**method, "seeds": [0, 1]} for name, method in TARGETS.items()}


def test_a_grid_leaves_out_models_that_would_teach_themselves():
    pairs = choose_pairs({"students": ["a.1", "b.1"], "teachers": ["b.1", "c.1"]}, ZOO)
    assert [(p["student"], p["teacher"]) for p in pairs] == [("a.1", "b.1"), ("a.1", "c.1"), ("b.1", "c.1")]


def test_pairs_from_a_file(tmp_path):
    file = tmp_path / "pairs.tsv"
    file.write_text("student\tteacher\nd.1\ta.1\n")
    assert choose_pairs({"file": str(file)}, ZOO) == [{"student": "d.1", "teacher": "a.1", "chosen_by": "file"}]


def test_unknown_and_repeated_models_are_named():
    with pytest.raises(
        InputError, match=r"config key 'pairs.teachers': model 'c.2' is not in the zoo; did you mean c.1"
    ):
        choose_pairs({"students": ["a.1"], "teachers": ["c.2"]}, ZOO)
    with pytest.raises(InputError, match=r"config key 'pairs.students': 'a.1' is named twice"):
        choose_pairs({"students": ["a.1", "a.1"], "teachers": ["c.1"]}, ZOO)


def blocks_of(pairs, methods, pairs_per_job):
    return transfer_blocks(pairs, methods, pairs_per_job)


def made(blocks):
    return sorted(
        (method, student, teacher, each)
        for block in blocks
        for method, teacher, seed in block.targets
        for student in block.students
        for each in ((0, 1) if seed == ANY_SEED else (seed,))
    )


@pytest.mark.parametrize("pairs_per_job", [1, 2, 100])
def test_blocks_make_every_transfer_once(pairs_per_job):
    pairs = choose_pairs({"students": ["a.1", "b.1"], "teachers": ["b.1", "c.1", "d.1"]}, ZOO)
    blocks = blocks_of(pairs, METHODS, pairs_per_job)
    expected = [(m, p["student"], p["teacher"], seed) for m in ("kl", "dp") for p in pairs for seed in (0, 1)]
    expected += [(m, s, NO_TEACHER, seed) for m in ("self", "labels") for s in ("a.1", "b.1") for seed in (0, 1)]
    assert made(blocks) == sorted(expected)
    assert len({block.name for block in blocks}) == len(blocks)
    assert all(block.name.startswith((*block.methods, CONTROLS)) for block in blocks)


def test_blocks_are_numbered_within_their_method():
    pairs = [{"student": "a.1", "teacher": f"t.{number}"} for number in range(5)]
    names = [block.name for block in blocks_of(pairs, METHODS, 2)]
    assert names == ["kl_1", "kl_2", "kl_3", "dp_1", "dp_2", "dp_3", "controls_1", "controls_2"]


def test_a_new_method_leaves_the_other_blocks_alone():
    pairs = choose_pairs({"students": ["a.1"], "teachers": ["b.1", "c.1", "d.1"]}, ZOO)
    before = blocks_of(pairs, METHODS, 2)
    after = blocks_of(pairs, {"mix": {"target": "teacher", "label_weight": 0.3}, **METHODS}, 2)
    assert all(block in after for block in before)
    assert len(after) == len(before) + 2


def test_a_teacher_at_the_end_moves_no_other():
    pairs = [{"student": "a.1", "teacher": f"t.{number}"} for number in range(5)]
    before, after = (blocks_of(pairs[:count], {"kl": METHODS["kl"]}, 2) for count in (4, 5))
    assert after[:2] == before
    assert after[2].teachers({"seed": "0"}) == ["t.4"]


def test_no_pair_at_all_is_refused(tmp_path):
    with pytest.raises(InputError, match="config key 'pairs': no pair of a student with another model as its teacher"):
        choose_pairs({"students": ["a.1"], "teachers": ["a.1"]}, ZOO)
    (tmp_path / "pairs.tsv").write_text("student\tteacher\na.1\ta.1\n")
    with pytest.raises(InputError, match=r"pairs.tsv: model 'a.1' stands as its own teacher"):
        choose_pairs({"file": str(tmp_path / "pairs.tsv")}, ZOO)


def test_transfers_are_the_same_however_they_are_planned():
    pairs = choose_pairs({"students": ["a.1", "b.1"], "teachers": ["b.1", "c.1", "d.1"]}, ZOO)
    planned = transfers_of(pairs, METHODS)
    assert len(planned) == len(set(planned)) == 2 * (2 * 5 + 2 * 2)
    assert sorted(planned) == made(blocks_of(pairs, METHODS, 2))


def test_a_method_may_have_seeds_of_its_own():
    methods = METHODS | {"labels": {"seeds": [0]}}
    pairs = choose_pairs({"students": ["a.1"], "teachers": ["b.1"]}, ZOO)
    controls = [(m, seed) for m, _, teacher, seed in transfers_of(pairs, methods) if teacher == NO_TEACHER]
    assert controls == [("self", 0), ("self", 1), ("labels", 0)]
    # one seed after another, so that a further seed moves nothing into another job
    jobs = [block.targets for block in blocks_of(pairs, methods, 2)][2:]
    assert jobs == [(("self", NO_TEACHER, 0), ("labels", NO_TEACHER, 0)), (("self", NO_TEACHER, 1),)]
    assert len(blocks_of(pairs, methods, 100)) == 3


def test_open_blocks_take_their_teacher_from_the_wildcard():
    blocks = {block.name: block for block in open_blocks(ZOO, METHODS, 4)}
    assert list(blocks) == ["kl_1", "dp_1", "controls_1"]
    wildcards = {"teacher": "c.1", "seed": "3"}
    assert blocks["dp_1"].named_targets(wildcards) == [("dp", "c.1", 3)]
    assert blocks["dp_1"].teachers(wildcards) == ["c.1"]
    controls = [("self", None, 0), ("labels", None, 0), ("self", None, 1), ("labels", None, 1)]
    assert blocks["controls_1"].named_targets({}) == controls
    assert (blocks["dp_1"].log_name(), blocks["controls_1"].log_name()) == (
        "dp_1/{student}/{teacher}/{seed}",
        "controls_1/{student}",
    )


FAMILIES = ("convolution", "transformer", "mlp")
NAMES = [f"m{number}.t" for number in range(13)]
MODELS = pd.DataFrame({"model": NAMES, "family": [FAMILIES[number % 3] for number in range(13)]})
COMPARED = pd.DataFrame(
    [
        {
            "student": s,
            "teacher": t,
            "accuracy_difference": (NAMES.index(t) - NAMES.index(s)) / 100,
            "positive_flips": (NAMES.index(t) * 7 % 13) / 100,
        }
        for s in NAMES
        for t in NAMES
        if s != t
    ]
)


def test_top_teachers_know_most():
    chosen = choose_teachers(COMPARED, MODELS, "top", 2, ["m0.t"])
    assert chosen["teacher"].tolist() == ["m11.t", "m9.t"]  # 77 and 63 mod 13 are 12 and 11
    assert chosen["chosen_by"].tolist() == ["top: 1. by positive flips", "top: 2. by positive flips"]


@pytest.mark.parametrize("way", ["stratified", "random", "top"])
def test_choices_are_seeded_and_of_the_asked_number(way):
    chosen = choose_teachers(COMPARED, MODELS, way, 5, seed=1)
    assert chosen.groupby("student").size().tolist() == [5] * 13
    assert not (chosen["student"] == chosen["teacher"]).any()
    assert not chosen.duplicated(["student", "teacher"]).any()
    assert chosen.equals(choose_teachers(COMPARED, MODELS, way, 5, seed=1))
    if way != "top":
        assert not chosen.equals(choose_teachers(COMPARED, MODELS, way, 5, seed=2))
    assert len(choose_teachers(COMPARED, MODELS, way, 50, ["m3.t"])) == 12


def test_stratified_teachers_cover_accuracies_and_families():
    chosen = choose_teachers(COMPARED, MODELS, "stratified", 6, ["m12.t"])
    number = chosen["teacher"].str.extract(r"m(\d+)")[0].astype(int)
    assert (number < 6).sum() == (number >= 6).sum() == 3  # two bins of six models
    family = chosen["teacher"].map(MODELS.set_index("model")["family"])
    assert family.value_counts().to_dict() == dict.fromkeys(FAMILIES, 2)


def test_a_student_that_was_not_compared_is_named():
    with pytest.raises(InputError, match=r"pairs.students: model 'x.t' is excluded"):
        choose_teachers(COMPARED, MODELS, "top", 2, ["x.t"])
