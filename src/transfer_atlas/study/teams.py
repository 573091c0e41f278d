"""Which students are taught by several teachers, and in which ways."""

from transfer_atlas.errors import InputError, did_you_mean
from transfer_atlas.study.methods import keeps_best, learns_from_logits, with_teacher

SOUP, MATCHED = "soup", "matched"
IN_FULL = ("sequential", "descending")  # every teacher teaches for all epochs


def choose_teams(section, pairs, methods):
    """Every (way, student, team, seed) of a study, in the order of its table.

    Args:
        section: config section `teams`; None where there is none.
        pairs: of `choose_pairs`; None where they are chosen later.
        methods: config section `transfer.methods`.

    Raises:
        InputError: a method, model or student that cannot be; a team without a student; too few epochs for all of it.
    """
    if section is None:
        return []
    if pairs is None:
        raise InputError("config: section 'teams' needs pairs that are known (a grid or a file), not `choose`")
    method = section["method"]
    _check_method(method, methods, section["ways"])
    teachers_of = {}
    for pair in pairs:
        teachers_of.setdefault(pair["student"], set()).add(pair["teacher"])
    students = section.get("students", list(teachers_of))
    for student in students:
        if student not in teachers_of:
            raise InputError(
                f"config key 'teams.students': '{student}' is no student of the pairs{did_you_mean(student, teachers_of)}"
            )
    taught_by = {
        team: [student for student in students if set(members) <= teachers_of[student]]
        for team, members in section["teachers"].items()
    }
    for team, members in section["teachers"].items():
        _check_team(team, members, taught_by[team], section["ways"], methods[method]["epochs"])
    return [
        (way, student, team, seed)
        for way in section["ways"]
        for team in section["teachers"]
        for student in taught_by[team]
        for seed in methods[method]["seeds"]
    ]


def _check_method(method, methods, ways):
    if method not in with_teacher(methods):
        raise InputError(
            f"config key 'teams.method': '{method}' is no method with a teacher{did_you_mean(method, with_teacher(methods))}"
        )
    if not learns_from_logits(methods[method]):
        raise InputError(
            f"config key 'teams.method': '{method}' needs more of a teacher than its logits; take another method"
        )
    if SOUP in ways and keeps_best(methods[method]):
        raise InputError(f"config key 'teams.method': a soup is of last epochs, but '{method}' has keep_weights: best")


def _check_team(team, members, students, ways, epochs):
    where = f"config key 'teams.teachers.{team}'"
    if not students:
        raise InputError(f"{where}: no student whose pairs hold all of {', '.join(members)}; add the pairs")
    if MATCHED in ways and epochs < len(members):
        raise InputError(
            f"{where}: {epochs} epochs are too few for {len(members)} teachers one after another (way '{MATCHED}')"
        )


def single_transfers(section, student, team, seed):
    """The transfers from each member of a team alone: (method, student, teacher, seed), in the order of the config."""
    return [(section["method"], student, teacher, seed) for teacher in section["teachers"][team]]


def students_of_soups(section, teams):
    """The transfers whose students are averaged: (method, student, teacher), whatever the seed.

    Args:
        section: as in `choose_teams`.
        teams: of `choose_teams`.
    """
    return {
        (section["method"], student, teacher)
        for way, student, team, _ in teams
        if way == SOUP
        for teacher in section["teachers"][team]
    }


def trainings_of_teams(section, methods, teams):
    """(student, epochs, share of the transfer images) of what the teams' own jobs train: nothing for a soup.

    Args:
        section: as in `choose_teams`.
        methods: as in `choose_teams`.
        teams: of `choose_teams`.
    """
    recipe = methods[section["method"]] if teams else {}
    return [
        (student, recipe["epochs"] * (len(section["teachers"][team]) if way in IN_FULL else 1), recipe["image_share"])
        for way, student, team, _ in teams
        if way != SOUP
    ]
