"""Which (student, teacher) pairs are transferred."""

from transfer_atlas.errors import InputError, did_you_mean
from transfer_atlas.study.sheet import read_sheet


def choose_pairs(choice, models):
    """Choose the pairs that a study transfers, in a fixed order.

    Args:
        choice: config section `pairs`: a grid of `students` and `teachers`, or a `file` that lists pairs.
        models: names of the zoo.

    Returns:
        List of dicts with student, teacher and why the pair was chosen; no model teaches itself.

    Raises:
        InputError: a model that is not in the zoo, or named twice; no pair is left.
    """
    if "file" in choice:
        where, pairs = choice["file"], _listed_pairs(choice["file"], models)
    else:
        where, pairs = "config key 'pairs'", _grid(choice, models)
    if not pairs:
        raise InputError(f"{where}: no pair of a student with another model as its teacher")
    return pairs


def check_students(choice, models):
    """Check the students of a choice that is made later, as `choose_pairs` does."""
    _check_known(choice.get("students", []), models, "config key 'pairs.students'")
    _check_unique(choice.get("students", []), "config key 'pairs.students'")


def check_same_network(groups, models):
    """Check that config key `complementarity.same_network` groups models of the zoo, each once."""
    where = "config key 'complementarity.same_network'"
    named = [name for group in groups for name in group]
    _check_known(named, models, where)
    _check_unique(named, where)


def _listed_pairs(file, models):
    pairs = [(row.get("student", ""), row.get("teacher", "")) for row in read_sheet(file, ["student", "teacher"])]
    _check_known([name for pair in pairs for name in pair], models, file)
    _check_unique(pairs, file)
    itself = [student for student, teacher in pairs if student == teacher]
    if itself:
        raise InputError(f"{file}: model '{itself[0]}' stands as its own teacher; the control `self` does that")
    return [{"student": student, "teacher": teacher, "chosen_by": "file"} for student, teacher in pairs]


def _grid(choice, models):
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
