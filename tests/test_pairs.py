"""Choice of pairs and their grouping into jobs."""

import pytest

from transfer_atlas.errors import InputError
from transfer_atlas.pairs import NO_TEACHER, choose_pairs, transfer_blocks

ZOO = ["a.1", "b.1", "c.1", "d.1"]
METHODS = {"kl": {"target": "teacher"}, "dp": {"target": "most_confident"}, "self": {"target": "student"}, "labels": {}}


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


def made(blocks):
    return sorted(
        (method, student, teacher) for students, block in blocks for method, teacher in block for student in students
    )


@pytest.mark.parametrize("pairs_per_job", [1, 2, 100])
def test_blocks_make_every_transfer_once(pairs_per_job):
    pairs = choose_pairs({"students": ["a.1", "b.1"], "teachers": ["b.1", "c.1", "d.1"]}, ZOO)
    blocks = transfer_blocks(pairs, METHODS, pairs_per_job)
    expected = [(m, p["student"], p["teacher"]) for m in ("kl", "dp") for p in pairs]
    expected += [(m, s, NO_TEACHER) for m in ("self", "labels") for s in ("a.1", "b.1")]
    assert made(blocks) == sorted(expected)


def test_a_new_method_leaves_the_other_blocks_alone():
    pairs = choose_pairs({"students": ["a.1"], "teachers": ["b.1", "c.1", "d.1"]}, ZOO)
    before = transfer_blocks(pairs, METHODS, 2)
    after = transfer_blocks(pairs, {"mix": {"target": "teacher", "label_weight": 0.3}, **METHODS}, 2)
    assert all(block in after for block in before)
    assert len(after) == len(before) + 2
