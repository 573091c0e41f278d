"""Which process makes which transfers."""

from collections import defaultdict
from dataclasses import dataclass

NO_TEACHER = "none"  # path part of the controls; no model can have it, since model names hold a dot
CONTROLS = "controls"


@dataclass(frozen=True)
class Block:
    """Transfers that share a process; every student of `students` has one such job per seed.

    Attributes:
        name: method and a number within it, or `controls_<n>`.
        students: names.
        targets: the (method, teacher) of each transfer.
    """

    name: str
    students: tuple[str, ...]
    targets: tuple[tuple[str, str], ...]

    @property
    def teachers(self):
        """Names of the teachers, in the order of the targets."""
        return [teacher for _, teacher in self.targets if teacher != NO_TEACHER]

    @property
    def named_targets(self):
        """The targets with None for no teacher."""
        return [(method, None if teacher == NO_TEACHER else teacher) for method, teacher in self.targets]

    @property
    def methods(self):
        """Names of the methods."""
        return list(dict.fromkeys(method for method, _ in self.targets))


def transfer_blocks(pairs, methods, pairs_per_job, teacher_targets):
    """Group transfers into jobs: one process imports torch once and serves a whole block.

    A block never mixes methods that have a teacher, so that a new method adds jobs and touches none; the controls of a
    student share one job. Teachers keep the order in which they are listed: one that is added at the end adds a job or
    joins the last.

    Args:
        pairs: of `choose_pairs`.
        methods: config section `transfer.methods`.
        pairs_per_job: most transfers of one student and method in a process.
        teacher_targets: targets that ask a teacher.

    Returns:
        List of Block.
    """
    teachers_of = defaultdict(list)
    for pair in pairs:
        teachers_of[pair["student"]].append(pair["teacher"])
    taught = [name for name, method in methods.items() if method.get("target") in teacher_targets]
    controls = tuple((name, NO_TEACHER) for name in methods if name not in taught)
    students_of = {method: defaultdict(list) for method in taught}
    for student, teachers in teachers_of.items():
        for start in range(0, len(teachers), pairs_per_job):
            for method in taught:
                targets = tuple((method, teacher) for teacher in teachers[start : start + pairs_per_job])
                students_of[method][targets].append(student)
    blocks = [
        Block(f"{method}_{number}", tuple(students), targets)
        for method in taught
        for number, (targets, students) in enumerate(students_of[method].items(), start=1)
    ]
    return blocks + ([Block(f"{CONTROLS}_1", tuple(teachers_of), controls)] if controls else [])
