"""Which transfers are tried to improve a student (`results/<study>/students/<student>`)."""

from transfer_atlas.errors import InputError, did_you_mean
from transfer_atlas.study.methods import has_teacher, learns_from_logits

LABELS = "labels"
CONTROLS = (LABELS, "self")  # that the improved student is compared with


def methods_to_try(section, methods):
    """The methods that are tried, with images kept apart to choose the teacher, the method and the epoch on.

    Args:
        section: config section `improve`.
        methods: config section `transfer.methods`.

    Returns:
        Dict of method to its entry: those of `improve.methods` (all that have a teacher without it), the controls `labels`
        and `self`, and the controls with perturbed weights, which measure the rounding error.

    Raises:
        InputError: a method of `improve.methods` that the study does not have, or that has no teacher.
    """
    chosen = section.get("methods", [name for name, method in methods.items() if _may_be_chosen(method)])
    for name in chosen:
        if name not in methods:
            raise InputError(f"config key 'improve.methods': no method '{name}'{did_you_mean(name, methods)}")
        if not _may_be_chosen(methods[name]):
            raise InputError(f"config key 'improve.methods': '{name}' is a control; name methods that have a teacher")
    controls = [
        name
        for name, method in methods.items()
        if name in CONTROLS or (method["perturb_weights"] and not has_teacher(method))
    ]
    apart = {"select_share": section["select_share"], "keep_weights": "best"}
    return {name: method | apart for name, method in methods.items() if name in (*chosen, *controls)}


def _may_be_chosen(method):
    return has_teacher(method) and not method["perturb_weights"]


def candidates_of(methods):
    """Names of the methods of `methods_to_try` that may improve a student; the others are only compared with it."""
    return [name for name, method in methods.items() if name == LABELS or _may_be_chosen(method)]


def pairs_to_try(section, pairs, models):
    """The (student, teacher) pairs that are tried when a student is improved.

    Args:
        section: config section `improve`.
        pairs: of `choose_pairs`; None where they are chosen later.
        models: names of the zoo.

    Returns:
        List of dicts with student and teacher: all models with the teachers of `improve.teachers`; without it, `pairs`.

    Raises:
        InputError: a teacher that is not in the zoo.
    """
    if "teachers" not in section:
        return pairs or []
    _check_in_zoo("improve.teachers", section["teachers"], models)
    return [
        {"student": student, "teacher": teacher}
        for student in models
        for teacher in section["teachers"]
        if student != teacher
    ]


def teams_to_try(section, methods, models):
    """The teams that are tried when a student is improved.

    Args:
        section: config section `improve`.
        methods: of `methods_to_try`.
        models: names of the zoo.

    Returns:
        List of (method, student, team, seed): every team with every student that is not in it, by each method that needs
        no more of a teacher than its logits.

    Raises:
        InputError: a model that is not in the zoo, or no such method.
    """
    teams = section.get("teams", {})
    for team, members in teams.items():
        _check_in_zoo(f"improve.teams.{team}", members, models)
    able = [name for name, method in methods.items() if _may_be_chosen(method) and learns_from_logits(method)]
    if teams and not able:
        raise InputError("config key 'improve.teams': none of the methods that are tried learns from logits alone")
    return [
        (method, student, team, seed)
        for method in able
        for team, members in teams.items()
        for student in models
        if student not in members
        for seed in methods[method]["seeds"]
    ]


def _check_in_zoo(key, names, models):
    for name in names:
        if name not in models:
            raise InputError(f"config key '{key}': model '{name}' is not in the zoo{did_you_mean(name, models)}")
