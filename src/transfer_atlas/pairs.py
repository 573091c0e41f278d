"""Which (student, teacher) pairs are transferred, and which jobs that makes."""

from itertools import groupby

from transfer_atlas.errors import InputError
from transfer_atlas.study import did_you_mean, read_sheet

NO_TEACHER = "none"  # path part of the controls; no model can have it, since model names hold a dot


def choose_pairs(choice, models):
    """Choose the pairs that a study transfers, in a fixed order.

    Args:
        choice: config section `pairs`: a grid of `students` and `teachers`, or a `file` that lists pairs.
        models: names of the zoo.

    Returns:
        List of dicts with student, teacher and why the pair was chosen; no model teaches itself.

    Raises:
        InputError: a model that is not in the zoo, or named twice.
    """
    if "file" in choice:
        rows = read_sheet(choice["file"], ["student", "teacher"])
        pairs = [(row.get("student", ""), row.get("teacher", "")) for row in rows]
        _check_known([name for pair in pairs for name in pair], models, choice["file"])
        _check_unique(pairs, choice["file"])
        return [{"student": student, "teacher": teacher, "chosen_by": "file"} for student, teacher in pairs]
    for key in ("students", "teachers"):
        _check_known(choice[key], models, f"config key 'pairs.{key}'")
        _check_unique(choice[key], f"config key 'pairs.{key}'")
    return [
        {"student": student, "teacher": teacher, "chosen_by": "grid"}
        for student in choice["students"]
        for teacher in choice["teachers"]
        if student != teacher
    ]


def _check_known(names, models, where):
    for name in names:
        if name not in models:
            raise InputError(f"{where}: model '{name}' is not in the zoo{did_you_mean(name, models)}")


def _check_unique(items, where):
    seen = set()
    for item in items:
        if item in seen:
            raise InputError(f"{where}: {item!r} is named twice")
        seen.add(item)


def needs_teacher(method):
    """Whether a method asks a teacher; the controls `self` and `labels` do not."""
    return method.get("target") in ("teacher", "most_confident")


def transfer_blocks(pairs, methods, pairs_per_job):
    """Group transfers into jobs: one process imports torch once and serves a whole block.

    A block never mixes methods that have a teacher, so that a new method adds jobs and touches none; the
    controls of a student share one job.

    Returns:
        List of (students, targets): every student in `students` has one job (per seed) that makes all
        (method, teacher) in `targets`.
    """
    students_of = {}
    for student, rows in groupby(sorted(pairs, key=lambda pair: pair["student"]), key=lambda pair: pair["student"]):
        for block in _blocks_of_student([row["teacher"] for row in rows], methods, pairs_per_job):
            students_of.setdefault(block, []).append(student)
    return [(students, targets) for targets, students in students_of.items()]


def _blocks_of_student(teachers, methods, pairs_per_job):
    for name, method in methods.items():
        if needs_teacher(method):
            targets = [(name, teacher) for teacher in teachers]
            for start in range(0, len(targets), pairs_per_job):
                yield tuple(targets[start : start + pairs_per_job])
    controls = tuple((name, NO_TEACHER) for name, method in methods.items() if not needs_teacher(method))
    if controls:
        yield controls
