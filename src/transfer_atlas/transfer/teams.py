"""Several teachers for one student (the paper's section on multiple teachers)."""

import copy
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial

import numpy as np
import torch
from safetensors.torch import load_file

from transfer_atlas.errors import InputError
from transfer_atlas.logits.storage import open_logits
from transfer_atlas.transfer.block import Job, after_epoch, measure_student, transfer_once
from transfer_atlas.transfer.knowledge import calibrations, transfer_knowledge
from transfer_atlas.transfer.measures import gain_and_loss
from transfer_atlas.transfer.objectives import log_odds
from transfer_atlas.transfer.spec import TransferSpec
from transfer_atlas.zoo.build import exclusion_of_weights


@dataclass(frozen=True)
class TeamSpec:
    """What a row of the teams table is of.

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


def teach_as_team(spec, path, student, teachers, students, minutes, code):
    """Teach one student by several teachers, and write the row of the team table.

    Args:
        spec: TeamSpec.
        path: teams/<way>/<student>/<team>/<seed>.parquet.
        student: Student.
        teachers: list of Teacher, as in the spec.
        students: for a soup, the weights files of the students that these teachers made one by one.
        minutes: as in `run_block`.
        code: as in `run_block`.

    Raises:
        Stopped: a signal asked for it; what was done is kept.
    """
    named = dict(zip(spec.teachers, teachers, strict=True))
    recipe = spec.transfer
    identity = {"way": spec.way, "method": recipe.method, "student": recipe.student, "team": spec.team}
    if spec.way == "soup":
        make = partial(_soup, spec, student, named, students)
    elif spec.way == "parallel":
        make = partial(_in_parallel, spec, student, named)
    else:
        make = partial(_in_sequence, spec, student, named)
    job = Job(student, minutes, code)
    job.make_row(path, "team", identity | {"seed": recipe.seed}, asdict(spec), named, make, files=students)
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
    """Each teacher teaches what the one before has left; the frozen student is the one that its stage begins with."""
    accuracies = {name: teacher.correct.mean() for name, teacher in teachers.items()}
    stages, told = stages_of(spec.way, spec.transfer.epochs, accuracies), spec.transfer.evaluate_epochs
    model, own, history, deltas, before = student.build(), student.answers, {}, [], 0
    for number, (name, epochs) in enumerate(stages):
        if number:
            own = AnswersAtStart(student, model, checkpoint.stage(f"{number}_answers"))
        stage = replace(spec.transfer, teacher=name, epochs=epochs, first_view=before)
        made = transfer_knowledge(
            stage,
            model,
            student.transfer_views,
            student.labels,
            own,
            teachers[name].answers,
            student.device,
            checkpoint.stage(number),
            partial(after_epoch, stage, student, checkpoint, None) if told else None,
        )
        before += epochs
        if number + 1 < len(stages):
            gain, loss = map(float, gain_and_loss(student.correct, student.answer(model, checkpoint.stop)))
            deltas.append(gain - loss)
            if told:
                made["epoch_gain"] = [*made.get("epoch_gain", []), gain]
                made["epoch_loss"] = [*made.get("epoch_loss", []), loss]
        for column, values in made.items():
            history.setdefault(column, []).extend(values)
    row = measure_student(student, model, _any_right(teachers), checkpoint, history, told)
    return row | _of_team([name for name, _ in stages], before, [*deltas, float(row["delta"])]), {"last": model}


class AnswersAtStart:
    """What a student answers as it is now, [views, images, classes]; asked only if a stage has steps left to take."""

    def __init__(self, student, model, checkpoint):
        """Remember the network; `checkpoint` keeps the answers."""
        self.student, self.model, self.checkpoint = student, copy.deepcopy(model).eval(), checkpoint
        self.shape = student.answers.shape

    @cached_property
    def logits(self):
        """The answers, from the disk if an earlier process has written them."""
        path = self.checkpoint.path.with_suffix(".npy")
        if self.checkpoint.row is None:
            self.student.answer_views(self.model, path, self.checkpoint)
            self.checkpoint.finish({"answered": True})
        return open_logits(path)

    def __getitem__(self, place):
        """Of some images in one view: place is (view, rows)."""
        return self.logits[place]


def _in_parallel(spec, student, teachers, checkpoint):
    """One transfer whose teacher is, on each image, the most confident of the team."""
    team = MostConfident(teachers, student.labels, spec.transfer)
    row, networks = transfer_once(replace(spec.transfer, teacher=spec.team), student, team, checkpoint)
    return row | _of_team(list(teachers), spec.transfer.epochs, [float(row["delta"])]), networks


class MostConfident:
    """Several teachers as one: each image is answered by the most confident; the one named first where two are equal."""

    def __init__(self, teachers, labels, spec):
        """Wrap a dict of name to Teacher; labels of the transfer images; `spec` says how confidences compare."""
        self.each, self.labels, self.confidence = list(teachers.values()), labels, spec.confidence or "max"
        self.temperatures = calibrations(spec, labels, *(teacher.answers for teacher in self.each))
        self.correct, self.features = _any_right(teachers), None

    @property
    def answers(self):
        """To be indexed by view and rows, as logits are."""
        return self

    def __getitem__(self, place):
        """float16 [rows, classes]: place is (view, rows)."""
        view, rows = place
        each = torch.from_numpy(np.stack([teacher.answers[view, rows] for teacher in self.each])).float()
        labels = torch.from_numpy(np.asarray(self.labels[rows], dtype=np.int64))
        scaled = zip(each, self.temperatures, strict=True)
        confidences = torch.stack([log_odds(logits / by, self.confidence, labels) for logits, by in scaled])
        return each[confidences.argmax(dim=0), torch.arange(len(rows))].half().numpy()


def _soup(spec, student, teachers, students, checkpoint):
    """The student whose weights are the mean of those that the teachers made one by one; nothing is trained."""
    for name, path in zip(teachers, students, strict=True):
        if reason := exclusion_of_weights(path):
            raise InputError(f"of the transfer from {name} there is no student: {reason}")
    model = student.build()
    model.load_state_dict(average_weights([load_file(path) for path in students]))
    model.to(student.device).eval()
    row = measure_student(student, model, _any_right(teachers), checkpoint, {})
    return row | _of_team(list(teachers), len(teachers) * spec.transfer.epochs, [float(row["delta"])]), {"last": model}


def average_weights(states):
    """Mean of state dicts; integer buffers, which have none, are the first one's."""
    return {
        name: torch.stack([state[name] for state in states]).mean(dim=0) if first.is_floating_point() else first
        for name, first in states[0].items()
    }


def _any_right(teachers):
    """Bool [evaluation images]: what at least one of the teachers gets right."""
    return np.any([teacher.correct for teacher in teachers.values()], axis=0)


def _of_team(teachers, epochs, deltas):
    return {"teachers": teachers, "epochs": epochs, "stage_delta": deltas}
