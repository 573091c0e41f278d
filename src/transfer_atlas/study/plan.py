"""Which process makes which transfers."""

from collections import defaultdict
from dataclasses import dataclass

ANY_TEACHER = "{teacher}"  # wildcard, where the pairs are not known yet
NO_TEACHER = "none"  # path part of the controls; no model can have it, since model names hold a dot
CONTROLS = "controls"


@dataclass(frozen=True)
class Block:
    """Transfers that share a process; every student of `students` has one such job per seed.

    Attributes:
        name: method and a number within it, or `controls_<n>`.
        students: names.
        targets: the (method, teacher) of each transfer.
        kept: of these, the ones whose students' weights are kept.
    """

    name: str
    students: tuple[str, ...]
    targets: tuple[tuple[str, str], ...]
    kept: tuple[tuple[str, str], ...] = ()

    def teachers(self, wildcards):
        """Names of the teachers, in the order of the targets."""
        return [teacher for _, teacher in self.named_targets(wildcards) if teacher is not None]

    def named_targets(self, wildcards):
        """The targets of a job: with its teacher in place of the wildcard, and None for no teacher."""
        names = {ANY_TEACHER: wildcards.get("teacher"), NO_TEACHER: None}
        return [(method, names.get(teacher, teacher)) for method, teacher in self.targets]

    @property
    def methods(self):
        """Names of the methods."""
        return list(dict.fromkeys(method for method, _ in self.targets))


def transfer_blocks(pairs, methods, pairs_per_job, teacher_targets, kept=frozenset()):
    """Group transfers into jobs: one process imports torch once and serves a whole block.

    A block never mixes methods that have a teacher, so that a new method adds jobs and touches none; the controls of a
    student that run with the same seeds share one job. Teachers keep the order in which they are listed: one that is added at the end adds a job or
    joins the last.

    Args:
        pairs: of `choose_pairs`.
        methods: config section `transfer.methods`.
        pairs_per_job: most transfers of one student and method in a process.
        teacher_targets: targets that ask a teacher.
        kept: (method, student, teacher) of transfers whose weights are kept whatever the method says.

    Returns:
        List of Block.
    """
    teachers_of = defaultdict(list)
    for pair in pairs:
        teachers_of[pair["student"]].append(pair["teacher"])
    taught, controls = _split(methods, teacher_targets)
    students_of = {method: defaultdict(list) for method in taught}
    for student, teachers in teachers_of.items():
        for start in range(0, len(teachers), pairs_per_job):
            for method in taught:
                targets = tuple((method, teacher) for teacher in teachers[start : start + pairs_per_job])
                keeps = _keeps(methods, method)
                of_these = tuple(t for t in targets if keeps or (method, student, t[1]) in kept)
                students_of[method][targets, of_these].append(student)
    blocks = [
        Block(f"{method}_{number}", tuple(students), targets, of_these)
        for method in taught
        for number, ((targets, of_these), students) in enumerate(students_of[method].items(), start=1)
    ]
    return blocks + _control_blocks(controls, methods, tuple(teachers_of))


def open_blocks(models, methods, teacher_targets):
    """Blocks for pairs that are chosen later: one per method, each of its jobs one transfer.

    Args:
        models: names of all models that may be students.
        methods: as in `transfer_blocks`.
        teacher_targets: as in `transfer_blocks`.
    """
    taught, controls = _split(methods, teacher_targets)
    blocks = []
    for method in taught:
        targets = ((method, ANY_TEACHER),)
        blocks.append(Block(f"{method}_1", tuple(models), targets, targets if _keeps(methods, method) else ()))
    return blocks + _control_blocks(controls, methods, tuple(models))


def taught_methods(methods, teacher_targets):
    """Names of the methods that ask a teacher."""
    return [name for name, method in methods.items() if method.get("target") in teacher_targets or "contrast" in method]


def _split(methods, teacher_targets):
    taught = taught_methods(methods, teacher_targets)
    return taught, [name for name in methods if name not in taught]


def _keeps(methods, name):
    return methods[name].get("keep_weights", "never") != "never"


def _control_blocks(controls, methods, students):
    with_seeds = defaultdict(list)
    for name in controls:
        with_seeds[tuple(methods[name]["seeds"])].append((name, NO_TEACHER))
    return [
        Block(f"{CONTROLS}_{number}", students, tuple(targets), tuple(t for t in targets if _keeps(methods, t[0])))
        for number, targets in enumerate(with_seeds.values(), start=1)
    ]


@dataclass(frozen=True)
class Sweep:
    """One key of the recipe and the values that it takes, by the names that they have in paths."""

    key: str
    values: dict

    def recipes(self, methods, value):
        """The recipes of methods with the value of that name in place of their own."""
        return {name: recipe | {self.key: self.values[value]} for name, recipe in methods.items()}

    def folder(self, methods, method, value):
        """Where the transfers of a method with the value of that name lie: the study's own where it is its value already."""
        own = methods[method][self.key] == self.values[value]
        return "transfers" if own else f"sweeps/{self.key}/{value}"


def points_of(sweeps, methods, transfers):
    """Every transfer of every sweep.

    Args:
        sweeps: of `sweeps_of`.
        methods: config section `transfer.methods`.
        transfers: of `transfers_of`.

    Returns:
        List of (key, value, folder, transfer); the folder is `transfers` where the study's own transfer serves.
    """
    return [
        (sweep.key, value, sweep.folder(methods, transfer[0], value), transfer)
        for sweep in sweeps
        for value in sweep.values
        for transfer in transfers
    ]


def trainings_of(sweeps, methods, transfers):
    """(student, epochs, share of the transfer images) of every transfer that is made, sweeps' included; as `points_of`."""
    recipes = [(transfer, methods[transfer[0]]) for transfer in transfers]
    values = {sweep.key: sweep.values for sweep in sweeps}
    recipes += [
        (transfer, methods[transfer[0]] | {key: values[key][value]})
        for key, value, folder, transfer in points_of(sweeps, methods, transfers)
        if folder != "transfers"
    ]
    return [(student, recipe["epochs"], recipe["image_share"]) for (_, student, _, _), recipe in recipes]


def sweeps_of(section):
    """The sweeps of a study.

    Args:
        section: config section `sweep`.
    """
    return [Sweep(key, {str(value): value for value in values}) for key, values in section.items()]


def transfers_of(pairs, methods, teacher_targets):
    """Every (method, student, teacher, seed) of a study, in the order of its table.

    Args:
        pairs: of `choose_pairs`.
        methods: as in `transfer_blocks`.
        teacher_targets: as in `transfer_blocks`.
    """
    taught, controls = _split(methods, teacher_targets)
    couples = [(pair["student"], pair["teacher"]) for pair in pairs]
    alone = [(student, NO_TEACHER) for student in dict.fromkeys(student for student, _ in couples)]
    return [
        (method, student, teacher, seed)
        for names, of_names in ((taught, couples), (controls, alone))
        for method in names
        for student, teacher in of_names
        for seed in methods[method]["seeds"]
    ]
