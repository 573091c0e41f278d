"""Which job makes which transfers."""

from collections import defaultdict
from dataclasses import dataclass, field

from transfer_atlas.study.methods import (
    controls,
    evaluates_in_student_input,
    keeps_best,
    keeps_weights,
    needs_features,
    recipe,
    teacher_learns,
    with_teacher,
)

ANY_TEACHER = "{teacher}"  # wildcard, where the pairs are not known yet
ANY_SEED = "{seed}"  # wildcard of the methods that have a teacher
NO_TEACHER = "none"  # path part of the controls; no model can have this name (study.sheet)
CONTROLS = "controls"


@dataclass(frozen=True)
class Block:
    """Transfers that share a process; every student of `students` has one such job, or one per seed.

    Attributes:
        name: method and a number within it, or `controls_<n>`.
        students: names.
        targets: the (method, teacher, seed) of each transfer; teacher and seed may be wildcards.
        methods: dict of each method of `targets` to its entry in the config.
        kept: the targets whose students' weights are saved.
    """

    name: str
    students: tuple[str, ...]
    targets: tuple[tuple[str, str, int | str], ...]
    methods: dict = field(compare=False)
    kept: tuple[tuple[str, str, int | str], ...] = ()

    def teachers(self, wildcards):
        """Names of the teachers, in the order of the targets."""
        return [teacher for _, teacher, _ in self.named_targets(wildcards) if teacher is not None]

    def named_targets(self, wildcards):
        """The targets of a job: with its teacher and seed in place of wildcards, and None for no teacher."""
        names = {ANY_TEACHER: wildcards.get("teacher"), NO_TEACHER: None}
        return [
            (method, names.get(teacher, teacher), int(wildcards["seed"]) if seed == ANY_SEED else seed)
            for method, teacher, seed in self.targets
        ]

    def recipes(self, sweep=None):
        """Parameter of a job: dict of method to its recipe; of wildcards where `sweep` varies one of its keys."""
        if sweep is None:
            return {name: recipe(method) for name, method in self.methods.items()}
        return lambda wildcards: sweep.recipes(self.methods, wildcards.value)

    def log_name(self, sweep=None):
        """Log of a job without its suffix: with the value of a sweep, the teacher and the seed where these are wildcards."""
        value = [f"{sweep.key}/{{value}}"] if sweep else []
        wildcards = [name for name in (ANY_TEACHER, ANY_SEED) if any(name in target for target in self.targets)]
        return "/".join([self.name, *value, "{student}", *wildcards])

    @property
    def kept_at_best(self):
        """Methods whose weights are saved as they were after the best epoch, not the last."""
        return [name for name, method in self.methods.items() if keeps_best(method)]

    @property
    def evaluates_in_student_input(self):
        """Whether the teachers are evaluated in the student's input."""
        return any(map(evaluates_in_student_input, self.methods.values()))

    @property
    def needs_features(self):
        """Whether the teachers' features are compared."""
        return any(map(needs_features, self.methods.values()))

    @property
    def teachers_learn(self):
        """Whether the teachers are trained too."""
        return any(map(teacher_learns, self.methods.values()))


def transfer_blocks(pairs, methods, pairs_per_job, kept=frozenset()):
    """Group transfers into jobs: one process imports torch once and serves a whole block.

    A block never mixes methods that have a teacher, so that a new method adds jobs and touches none; the controls of a
    student share jobs, all of a seed and then those of the next. Teachers keep the order in which they are listed: one that
    is added at the end adds a job or joins the last.

    Args:
        pairs: of `choose_pairs`.
        methods: config section `transfer.methods`.
        pairs_per_job: most transfers of one student and method in a process; of controls at least all of one seed.
        kept: (method, student, teacher) of transfers whose weights are kept whatever the method says.

    Returns:
        List of Block.
    """
    teachers_of = defaultdict(list)
    for pair in pairs:
        teachers_of[pair["student"]].append(pair["teacher"])
    students_of = {method: defaultdict(list) for method in with_teacher(methods)}
    for student, teachers in teachers_of.items():
        for start in range(0, len(teachers), pairs_per_job):
            for method in students_of:
                targets = tuple((method, teacher, ANY_SEED) for teacher in teachers[start : start + pairs_per_job])
                keeps = keeps_weights(methods[method])
                kept_targets = tuple(t for t in targets if keeps or (method, student, t[1]) in kept)
                students_of[method][targets, kept_targets].append(student)
    blocks = [
        Block(f"{method}_{number}", tuple(students), targets, {method: methods[method]}, kept_targets)
        for method, of_method in students_of.items()
        for number, ((targets, kept_targets), students) in enumerate(of_method.items(), start=1)
    ]
    return blocks + _control_blocks(methods, tuple(teachers_of), pairs_per_job)


def open_blocks(models, methods, pairs_per_job):
    """Blocks for pairs that are chosen later: one per method, each of its jobs one transfer; controls share jobs.

    Args:
        models: names of all models that may be students.
        methods: as in `transfer_blocks`.
        pairs_per_job: as in `transfer_blocks`.
    """
    blocks = []
    for method in with_teacher(methods):
        targets = ((method, ANY_TEACHER, ANY_SEED),)
        kept_targets = targets if keeps_weights(methods[method]) else ()
        blocks.append(Block(f"{method}_1", tuple(models), targets, {method: methods[method]}, kept_targets))
    return blocks + _control_blocks(methods, tuple(models), pairs_per_job)


def _control_blocks(methods, students, pairs_per_job):
    names, blocks = controls(methods), []
    size = max(pairs_per_job, len(names))
    seeds = dict.fromkeys(seed for name in names for seed in methods[name]["seeds"])
    every = [(name, NO_TEACHER, seed) for seed in seeds for name in names if seed in methods[name]["seeds"]]
    for start in range(0, len(every), size):
        targets = tuple(every[start : start + size])
        own = {name: methods[name] for name, _, _ in targets}
        kept_targets = tuple(target for target in targets if keeps_weights(methods[target[0]]))
        blocks.append(Block(f"{CONTROLS}_{start // size + 1}", students, targets, own, kept_targets))
    return blocks


@dataclass(frozen=True)
class Sweep:
    """One key of the recipe and the values that it takes, by the names that they have in paths."""

    key: str
    values: dict

    def recipes(self, methods, value):
        """The recipes of methods with the value of that name in place of their own."""
        return {name: recipe(method) | {self.key: self.values[value]} for name, method in methods.items()}

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


def transfers_of(pairs, methods):
    """Every (method, student, teacher, seed) of a study, in the order of its table.

    Args:
        pairs: of `choose_pairs`.
        methods: as in `transfer_blocks`.
    """
    couples = [(pair["student"], pair["teacher"]) for pair in pairs]
    alone = [(student, NO_TEACHER) for student in dict.fromkeys(student for student, _ in couples)]
    return [
        (method, student, teacher, seed)
        for names, of_names in ((with_teacher(methods), couples), (controls(methods), alone))
        for method in names
        for student, teacher in of_names
        for seed in methods[method]["seeds"]
    ]
