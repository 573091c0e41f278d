"""Several teachers for one student (the paper's section on multiple teachers)."""

from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
import torch
from safetensors.torch import load_file

from transfer_atlas.errors import InputError
from transfer_atlas.transfer.block import StudentJob, run_transfer
from transfer_atlas.transfer.calibration import calibration_temperatures
from transfer_atlas.transfer.evaluation import EpochEvaluation, measure_student
from transfer_atlas.transfer.losses import log_odds
from transfer_atlas.transfer.measures import gain_and_loss
from transfer_atlas.transfer.spec import TransferSpec
from transfer_atlas.transfer.stages import LogitsOnDemand, any_correct, teach_stage
from transfer_atlas.zoo.weights import exclusion_of_weights


@dataclass(frozen=True)
class TeamSpec:
    """Identity and recipe of a row of the teams table.

    Attributes:
        way: sequential, descending, matched, parallel or soup, as in docs/method.md.
        team: its name.
        teachers: names, in the order of the config.
        transfer: the recipe of its method; `teacher` is None.
    """

    way: str
    team: str
    teachers: tuple[str, ...]
    transfer: TransferSpec


def teach_as_team(spec, path, student, teachers, students, minutes, code, keep=None):
    """Teach one student by several teachers, and write the row of the team table.

    Args:
        spec: TeamSpec.
        path: teams/<way>/<student>/<team>/<seed>.parquet.
        student: Student.
        teachers: dict of name to Teacher, in the order of the spec.
        students: for a soup, the weights files of the students that these teachers made one by one.
        minutes: as in `run_block`.
        code: as in `run_block`.
        keep: `last` or `best`: the epoch whose weights are saved beside the row as .safetensors; None for no weights.

    Raises:
        Stopped: a signal asked for it; what was done is kept.
    """
    recipe = spec.transfer
    identity = {"way": spec.way, "method": recipe.method, "student": recipe.student, "team": spec.team}
    if spec.way == "soup":
        make = partial(_soup, spec, student, teachers, students)
    elif spec.way == "parallel":
        make = partial(_in_parallel, spec, student, teachers)
    else:
        make = partial(_in_sequence, spec, student, teachers)
    job = StudentJob(student, minutes, code)
    job.write_row(path, "team", identity | {"seed": recipe.seed}, asdict(spec), teachers, make, keep, students)
    job.end()


def stages_of(way, epochs, accuracies):
    """Who teaches when in a sequence.

    Args:
        way: sequential (the least accurate teacher first), descending (the most accurate first), or matched (as sequential,
            in as many epochs as one teacher has alone).
        epochs: of one teacher alone.
        accuracies: dict of teacher to its accuracy.

    Returns:
        List of (teacher, epochs).
    """
    order = sorted(accuracies, key=accuracies.get, reverse=way == "descending")
    if way == "matched":
        return [(name, len(part)) for name, part in zip(order, np.array_split(range(epochs), len(order)), strict=True)]
    return [(name, epochs) for name in order]


def _in_sequence(spec, student, teachers, checkpoint):
    """Several teachers one after another; before each stage the current student becomes the frozen student."""
    accuracies = {name: teacher.correct.mean() for name, teacher in teachers.items()}
    stages, evaluated = stages_of(spec.way, spec.transfer.epochs, accuracies), spec.transfer.evaluate_epochs
    network, frozen_logits, history, deltas, epochs_before = student.build(), student.logits, {}, [], 0
    for number, (name, epochs) in enumerate(stages):
        if number:
            frozen_logits = LogitsOnDemand(student, network, checkpoint.stage(f"{number}_logits"))
        stage = replace(spec.transfer, teacher=name, epochs=epochs, first_view=epochs_before)
        evaluation = EpochEvaluation(stage, student, checkpoint, choose_best=False) if evaluated else None
        curves = teach_stage(
            stage, student, network, frozen_logits, teachers[name], checkpoint.stage(str(number)), evaluation
        )
        epochs_before += epochs
        if number + 1 < len(stages):
            gain, loss = map(float, gain_and_loss(student.correct, student.evaluate(network, checkpoint.stop)))
            deltas.append(gain - loss)
            if evaluated:
                curves["epoch_gain"] = [*curves.get("epoch_gain", []), gain]
                curves["epoch_loss"] = [*curves.get("epoch_loss", []), loss]
        for column, values in curves.items():
            history.setdefault(column, []).extend(values)
    row = measure_student(student, network, any_correct(teachers), checkpoint, history, evaluated)
    names = [name for name, _ in stages]
    return row | _team_columns(names, epochs_before, [*deltas, float(row["delta"])]), {"last": network}


def _in_parallel(spec, student, teachers, checkpoint):
    """One transfer whose teacher is, on each image, the most confident of the team."""
    team = MostConfident(teachers, student.labels, spec.transfer)
    row, networks = run_transfer(replace(spec.transfer, teacher=spec.team), student, team, checkpoint)
    return row | _team_columns(list(teachers), spec.transfer.epochs, [float(row["delta"])]), networks


class MostConfident:
    """Several teachers as one: on each image the most confident of them; of two equal ones, the one named first."""

    features = None

    def __init__(self, teachers, labels, spec):
        """Wrap a dict of name to Teacher; `labels` are of the transfer images; `spec` says how confidences compare."""
        self.teachers, self.labels, self.confidence = list(teachers.values()), labels, spec.confidence or "max"
        self.temperatures = calibration_temperatures(spec, labels, *(teacher.logits for teacher in self.teachers))
        self.correct = any_correct(teachers)

    @property
    def logits(self):
        """The object itself, indexed by view and rows as stored logits are."""
        return self

    def __getitem__(self, place):
        """float16 [rows, classes]: place is (view, rows)."""
        view, rows = place
        logits = torch.from_numpy(np.stack([teacher.logits[view, rows] for teacher in self.teachers])).float()
        labels = torch.from_numpy(np.asarray(self.labels[rows], dtype=np.int64))
        scaled = [of_one / temperature for of_one, temperature in zip(logits, self.temperatures, strict=True)]
        confidences = torch.stack([log_odds(of_one, self.confidence, labels) for of_one in scaled])
        return logits[confidences.argmax(dim=0), torch.arange(len(rows))].half().numpy()


def _soup(spec, student, teachers, students, checkpoint):
    """The student whose weights are the mean of those that the teachers made one by one; nothing is trained."""
    for name, path in zip(teachers, students, strict=True):
        if reason := exclusion_of_weights(path):
            raise InputError(f"of the transfer from {name} there is no student: {reason}")
    network = student.build()
    network.load_state_dict(average_weights([load_file(path) for path in students]))
    network.to(student.device).eval()
    row = measure_student(student, network, any_correct(teachers), checkpoint, {})
    return row | _team_columns(list(teachers), len(teachers) * spec.transfer.epochs, [float(row["delta"])]), {
        "last": network
    }


def average_weights(states):
    """Mean of state dicts; integer buffers, which have none, are the first one's."""
    return {
        name: torch.stack([state[name] for state in states]).mean(dim=0) if first.is_floating_point() else first
        for name, first in states[0].items()
    }


def _team_columns(teachers, epochs, deltas):
    return {"teachers": teachers, "epochs": epochs, "stage_delta": deltas}
