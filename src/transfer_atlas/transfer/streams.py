"""A stream of teachers: one after another, as long as the accuracy on the images kept apart rises."""

import copy
import zlib
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
from safetensors.torch import load_file

from transfer_atlas.statistics import improvement_p
from transfer_atlas.store.tables import exclusion
from transfer_atlas.transfer.block import StudentJob
from transfer_atlas.transfer.evaluation import EpochEvaluation, measure_student
from transfer_atlas.transfer.measures import gain_and_loss
from transfer_atlas.transfer.spec import TransferSpec
from transfer_atlas.transfer.stages import LogitsOnDemand, any_correct, teach_stage
from transfer_atlas.transfer.subsets import images_of
from transfer_atlas.transfer.teams import average_weights
from transfer_atlas.zoo.weights import exclusion_of_weights

SOUP, LABELS = "soup", "labels"


@dataclass(frozen=True)
class StreamSpec:
    """Identity and recipe of a row of the streams table.

    Attributes:
        way: how the next teacher is chosen: flips, accuracy, random, same; or what takes the teachers' place: labels, soup.
        stages: most teachers.
        stop: p from which a stage is not kept and the stream ends.
        transfer: the recipe of a stage, with images kept apart (`select_share`); `teacher` is None.
    """

    way: str
    stages: int
    stop: float
    transfer: TransferSpec


def teach_in_stream(spec, path, student, teachers, students, minutes, code, keep):
    """Teach one student by a stream of teachers, and write the row of the stream table.

    Args:
        spec: StreamSpec.
        path: streams/<way>/<student>/<seed>.parquet.
        student: Student.
        teachers: dict of name to Teacher: the candidates; those that are left out of the study are no candidates.
        students: for a soup, the weights files of the students that the candidates made one by one.
        minutes: as in `run_block`.
        code: as in `run_block`.
        keep: `last` to save the student's weights at the end of the stream beside the table, None for no weights.

    Raises:
        Stopped: a signal asked for it; what was done is kept.
    """
    recipe = spec.transfer
    identity = {"way": spec.way, "method": recipe.method, "student": recipe.student, "seed": recipe.seed}
    known = {name: teacher for name, teacher in teachers.items() if exclusion(teacher.predictions) is None}
    make = partial(_soup, students=dict(zip(teachers, students, strict=True))) if spec.way == SOUP else _teach_stages
    job = StudentJob(student, minutes, code)
    job.write_row(path, "stream", identity, asdict(spec), known, partial(make, spec, student, known), keep, students)
    job.end()


def _teach_stages(spec, student, teachers, checkpoint):
    """The columns of a stream, and its student."""
    stream, history, epochs, kept = Stream(spec, student, checkpoint), {}, 0, True
    unused = dict(teachers)
    while kept and len(stream.stages) < spec.stages and unused:
        number, name = len(stream.stages), _next_teacher(spec, unused, stream)
        frozen_logits = student.logits
        if number:
            frozen_logits = LogitsOnDemand(student, stream.network, checkpoint.stage(f"{number}_logits"))
        stage = replace(spec.transfer, teacher=name, first_view=epochs, evaluate_epochs=False)
        evaluation = EpochEvaluation(stage, student, checkpoint)
        network, own_checkpoint = copy.deepcopy(stream.network), checkpoint.stage(str(number))
        curves = teach_stage(stage, student, network, frozen_logits, teachers.get(name), own_checkpoint, evaluation)
        for column, values in curves.items():
            history.setdefault(column, []).extend(values)
        epochs += stage.epochs
        kept = stream.add_stage(evaluation.best_network(), [name] if name else [])
        if name and spec.way != "same":
            del unused[name]
    return stream.row(teachers, epochs, history), {"last": stream.network}


class Stream:
    """A student in the middle of its stream, and the results of its stages.

    Attributes:
        network: the student as it is now, in eval mode.
        apart: rows of the transfer images that are kept apart.
        right_apart: which of these the student is right on as it is now.
        stages: list of dicts, one per stage.
    """

    def __init__(self, spec, student, checkpoint):
        """Begin with the student before any teacher."""
        self.spec, self.student, self.checkpoint, self.stages = spec, student, checkpoint, []
        _, self.apart = images_of(spec.transfer, student.labels)
        self.network = student.build().to(student.device).eval()
        self.right_apart = student.evaluate_transfer_images(self.network, self.apart, checkpoint.stop)
        self.accuracy_before = float(self.right_apart.mean())

    def teacher_right(self, teacher):
        """Which of the images kept apart a teacher is right on, in view 0."""
        return teacher.logits[0, self.apart].argmax(axis=1) == self.student.labels[self.apart]

    def add_stage(self, network, names):
        """Judge a stage on the images kept apart, and keep its student if it helped.

        Args:
            network: the student after the stage.
            names: its teachers.

        Returns:
            Whether it is kept: the one-sided mid-p of McNemar's test of the images gained against those lost is below `stop`.
        """
        student, stop = self.student, self.checkpoint.stop
        right_apart = student.evaluate_transfer_images(network, self.apart, stop)
        gain, loss = gain_and_loss(self.right_apart, right_apart)
        p = float(improvement_p(gain, loss, len(self.apart)))
        kept = p < self.spec.stop
        right = np.packbits(student.evaluate(network, stop)).tobytes()
        apart = {"kept": kept, "p": p, "apart_gain": float(gain), "apart_loss": float(loss)}
        self.stages.append({"teachers": names, **apart, "right": right})
        if kept:
            self.network, self.right_apart = network, right_apart
        return kept

    def row(self, teachers, epochs, history):
        """The columns of the stream table; `epochs` is the cost of all stages."""
        known = any_correct(teachers) if teachers else None  # all may be left out of the study
        measures = measure_student(self.student, self.network, known, self.checkpoint, history)
        names = ("teachers", "kept", "p", "apart_gain", "apart_loss", "right")
        lists = {f"stage_{name}": [stage[name] for stage in self.stages] for name in names}
        apart = {"apart_images": len(self.apart), "apart_accuracy_before": self.accuracy_before}
        apart["selected_accuracy"] = float(self.right_apart.mean())
        kept = [name for stage in self.stages if stage["kept"] for name in stage["teachers"]]
        before = np.packbits(self.student.correct).tobytes()
        return {**measures, **lists, **apart, "teachers": kept, "epochs": epochs, "right_before": before}


def _next_teacher(spec, unused, stream):
    """Name of the teacher of the next stage, or None for the labels alone; of several equal ones, the first in the config."""
    if spec.way == LABELS:
        return None
    if spec.way == "random":
        of_student = zlib.crc32(stream.student.name.encode())
        return np.random.default_rng([spec.transfer.seed, of_student, len(stream.stages)]).choice(sorted(unused)).item()
    if spec.way == "same" and stream.stages:
        return stream.stages[0]["teachers"][0]
    wanted = ~stream.right_apart if spec.way != "accuracy" else np.ones(len(stream.apart), bool)
    counts = {name: (stream.teacher_right(teacher) & wanted).sum() for name, teacher in unused.items()}
    return max(counts, key=counts.get)


def _soup(spec, student, teachers, checkpoint, students):
    """One stage: the mean of the weights of those single students that the images kept apart would keep."""
    stream, states = Stream(spec, student, checkpoint), {}
    for name in teachers:
        if reason := exclusion_of_weights(students[name]):
            print(f"the transfer from {name} has no student for the soup: {reason}")
            continue
        network = _with_weights(student, load_file(students[name]))
        right = student.evaluate_transfer_images(network, stream.apart, checkpoint.stop)
        if improvement_p(*gain_and_loss(stream.right_apart, right), len(right)) < spec.stop:
            states[name] = network.state_dict()
    if states:
        stream.add_stage(_with_weights(student, average_weights(list(states.values()))), list(states))
    return stream.row(teachers, len(teachers) * spec.transfer.epochs, {}), {"last": stream.network}


def _with_weights(student, state):
    network = student.build()
    network.load_state_dict(state)
    return network.to(student.device).eval()
