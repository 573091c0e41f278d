"""The transfers of one student that share a process."""

import hashlib
import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pandas as pd
import torch

from transfer_atlas.errors import DiskError, InputError
from transfer_atlas.schemas.tables import SCHEMAS
from transfer_atlas.store.checkpoint import Checkpoint, checkpoint_of, describe_files, stop_on_signals
from transfer_atlas.store.provenance import Provenance
from transfer_atlas.store.tables import read_metadata, write_table
from transfer_atlas.transfer.evaluation import evaluation_of, measure_student
from transfer_atlas.transfer.lessons import lesson_of
from transfer_atlas.transfer.loop import train_epochs
from transfer_atlas.transfer.measures import gain_and_loss
from transfer_atlas.transfer.student import excluded_model
from transfer_atlas.zoo.weights import metadata_of_weights, save_weights


def run_block(specs, outputs, student, teachers, minutes, code, keep=None):
    """Run the transfers of one student one after another; each writes one row of the transfers table to its own file.

    A transfer whose file was made from the same inputs is not repeated, so a job that a new teacher joins runs that one
    transfer. A stopped transfer resumes from its checkpoint.

    Args:
        specs: list of TransferSpec.
        outputs: their files, transfers/<method>/<student>/<teacher>/<seed>.parquet.
        student: Student.
        teachers: dict of name to Teacher, or to Student where it learns too.
        minutes: time between two checkpoints inside an epoch.
        code: digest of the code that computes the results.
        keep: maps an output file to `last` or `best`: the epoch whose weights are saved beside it as .safetensors.

    Raises:
        Stopped: a signal asked for it; finished steps are kept.
    """
    job = StudentJob(student, minutes, code)
    for spec, path in zip(specs, outputs, strict=True):
        of_spec = {spec.teacher: teachers[spec.teacher]} if spec.teacher else {}
        transfer = partial(run_transfer, spec, student, of_spec.get(spec.teacher))
        identity = {name: getattr(spec, name) for name in ("method", "student", "teacher", "seed")}
        identity["weight_perturbation"] = spec.perturb_weights
        job.write_row(path, "transfer", identity, asdict(spec), of_spec, transfer, (keep or {}).get(path))
    job.end()


class StudentJob:
    """Trains one student several times; each training writes one row to its own file."""

    def __init__(self, student, minutes, code):
        """Store the student and what all its trainings share; arguments as in `run_block`."""
        self.student, self.minutes, self.code = student, minutes, code
        self.stop, self.checkpoints = stop_on_signals(), []

    def write_row(self, path, table, identity, spec, teachers, train, keep=None, files=()):
        """Write the row of a table, unless its file was made from the same inputs.

        Args:
            path: the file.
            table: name of its table.
            identity: dict of the columns that identify the row.
            spec: dict of plain values: all that the row depends on apart from the student, the teachers and `files`.
            teachers: dict of name to Teacher.
            train: function of a Checkpoint to (dict of the other columns, dict of `last` and `best` to a network in eval
                mode); not called where a model is left out of the study.
            keep: which of these networks' weights are saved beside the file; None for none.
            files: further files that the row is made from.
        """
        student, path = self.student, Path(path)
        inputs = student.files() + [file for teacher in teachers.values() for file in teacher.files()]
        made_from = {"spec": spec, **student.settings(), "files": describe_files([*inputs, *files]), "code": self.code}
        digest = hashlib.blake2b(json.dumps(made_from, sort_keys=True).encode(), digest_size=16).hexdigest()
        weights = KeptWeights(path.with_suffix(".safetensors"), keep, digest)
        weights.remove_others()
        if _is_made(path, digest) and weights.are_there():
            print(f"{path}: made already")
            return
        provenance = Provenance(spec=spec, **student.settings())
        machine = {"device": student.device.type, "torch": str(torch.__version__)}
        checkpoint = Checkpoint(checkpoint_of(path, student.results), made_from | machine, self.minutes, self.stop)
        self.checkpoints.append(checkpoint)
        if checkpoint.row is None or not weights.are_there():
            row = self._row(teachers, train, checkpoint, weights)
            checkpoint.finish(dict.fromkeys(SCHEMAS[table].names) | identity | row)
        record = provenance.record(student.device) | {"seconds": round(checkpoint.seconds, 3), "made_from": digest}
        write_table(pd.DataFrame([checkpoint.row]), table, path, record)

    def _row(self, teachers, train, checkpoint, weights):
        """The columns of a row, and its weights; without a result the columns are a remark and no measures."""
        networks, reason = {}, excluded_model(self.student, teachers)
        if reason is not None:
            row = {"remark": reason, "images": 0}
        else:
            try:
                row, networks = train(checkpoint)
            except DiskError:
                raise
            except InputError as error:
                row = {"remark": str(error), "images": len(self.student.evaluation_labels)}
        weights.save(networks, row["remark"])
        return row

    def end(self):
        """Remove the checkpoints: all rows are written."""
        for checkpoint in self.checkpoints:
            checkpoint.remove()


class KeptWeights:
    """The weights that are saved beside a row, or none."""

    def __init__(self, path, epoch, made_from):
        """`epoch` is `last`, `best` or None for no weights; `made_from` is the digest of the row's inputs."""
        self.path, self.epoch, self.metadata = path, epoch, {"made_from": made_from, "epoch": epoch}

    def are_there(self):
        """Whether nothing is to be saved, or the file is there and was made from the same inputs."""
        return self.epoch is None or self.metadata.items() <= self._found().items()

    def remove_others(self):
        """Remove weights that were made from other inputs: they do not belong to the row that is about to be written."""
        if self.path.exists() and self._found().get("made_from") != self.metadata["made_from"]:
            self.path.unlink()

    def _found(self):
        """Metadata of the file; empty where there is none or it is damaged."""
        try:
            return metadata_of_weights(self.path) if self.path.exists() else {}
        except InputError:
            return {}

    def save(self, networks, remark):
        """Save the weights of one of `networks`; where there is none, a file without weights that says why."""
        if self.epoch is None:
            return
        network = networks.get(self.epoch)
        excluded = remark if network is None else None
        save_weights(network.state_dict() if network else {}, self.path, excluded, **self.metadata)


def _is_made(path, digest):
    try:
        return read_metadata(path).get("made_from") == digest
    except InputError:
        return False


def run_transfer(spec, student, teacher, checkpoint):
    """Run one transfer.

    Args:
        spec: TransferSpec.
        student: Student.
        teacher: an object with the properties `logits`, `features` and `correct` of a Teacher; a Student where it learns
            too; None for the controls.
        checkpoint: Checkpoint.

    Returns:
        (row, networks): the columns that measure the transfer, and the student after the last and the best epoch.

    Raises:
        InputError: it diverged.
        Stopped: it was asked to stop.
    """
    lesson, evaluation = lesson_of(spec, student, teacher), evaluation_of(spec, student, checkpoint)
    history = train_epochs(spec, lesson, student.labels, student.device, checkpoint, evaluation)
    row, networks = {}, {"last": lesson.student}
    if spec.target == "mutual":
        gain, loss = gain_and_loss(teacher.correct, teacher.evaluate(lesson.teacher, checkpoint.stop))
        row = {"teacher_gain": float(gain), "teacher_loss": float(loss)}
    teacher_correct = teacher.correct if teacher else None
    row |= measure_student(student, lesson.student, teacher_correct, checkpoint, history, spec.evaluate_epochs)
    if spec.select_share:
        networks["best"] = evaluation.best_network()
        gain, loss = gain_and_loss(student.correct, student.evaluate(networks["best"], checkpoint.stop))
        row |= {"best_epoch": evaluation.best.epoch, "selected_accuracy": float(evaluation.best.accuracy)}
        row |= {"best_gain": float(gain), "best_loss": float(loss)}
    return row, networks
