"""The transfers of one student that share a process."""

import hashlib
import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from transfer_atlas.errors import DiskError, InputError
from transfer_atlas.schemas.tables import SCHEMAS
from transfer_atlas.store.checkpoint import Checkpoint, checkpoint_of, describe_files, stop_on_signals
from transfer_atlas.store.provenance import Provenance
from transfer_atlas.store.tables import read_metadata, write_table
from transfer_atlas.transfer.knowledge import transfer_knowledge
from transfer_atlas.transfer.loop import images_of
from transfer_atlas.transfer.measures import describe_collapse, gain_and_loss, measure_transfer
from transfer_atlas.transfer.mutual import learn_mutually
from transfer_atlas.transfer.student import exclusion_among
from transfer_atlas.transfer.weights import BestEpoch
from transfer_atlas.zoo.build import metadata_of_weights, save_weights


def run_block(specs, outputs, student, teachers, minutes, code, keep=None):
    """Make the transfers of one student one after another, and write each as a row of the transfers table.

    A transfer whose file was made from the same things stands, so a job that a new teacher joins makes that one
    transfer. One that is stopped goes on from its checkpoint.

    Args:
        specs: list of TransferSpec.
        outputs: their files, transfers/<method>/<student>/<teacher>/<seed>.parquet.
        student: Student.
        teachers: dict of name to Teacher, or to Student where it learns too.
        minutes: time between two checkpoints inside an epoch.
        code: digest of the code that makes the numbers.
        keep: dict of those of `outputs` beside which the weights of the student are kept, as .safetensors, to last or best:
            of which epoch.

    Raises:
        Stopped: a signal asked for it; what was done is kept.
    """
    job = Job(student, minutes, code)
    for spec, path in zip(specs, outputs, strict=True):
        taught_by = {spec.teacher: teachers[spec.teacher]} if spec.teacher else {}
        make = partial(transfer_once, spec, student, taught_by.get(spec.teacher))
        identity = {"method": spec.method, "student": spec.student, "teacher": spec.teacher, "seed": spec.seed}
        job.make_row(path, "transfer", identity, asdict(spec), taught_by, make, (keep or {}).get(path))
    job.end()


class Job:
    """Rows of one student, each of a training of its own and in a file of its own."""

    def __init__(self, student, minutes, code):
        """Begin; arguments as in `run_block`."""
        self.student, self.minutes, self.code = student, minutes, code
        self.stop, self.checkpoints = stop_on_signals(), []

    def make_row(self, path, table, identity, spec, teachers, make, keep=None, files=()):
        """Write the row of a table, unless its file was made from the same things.

        Args:
            path: the file.
            table: its table.
            identity: dict of the columns that say what the row is of.
            spec: dict of plain values: all that it depends on apart from the student, the teachers and `files`.
            teachers: dict of name to Teacher.
            make: function of a Checkpoint to (dict of the other columns, networks in eval mode by `last` and `best`); asked
                only where no model is left out of the study.
            keep: which of these networks' weights are kept beside the file; None for none.
            files: what else it is made from.
        """
        student, path = self.student, Path(path)
        made_from = student.files() + [file for teacher in teachers.values() for file in teacher.files()]
        all_of_it = {"spec": spec, **student.settings(), "files": describe_files([*made_from, *files])}
        all_of_it["code"] = self.code
        digest = hashlib.blake2b(json.dumps(all_of_it, sort_keys=True).encode(), digest_size=16).hexdigest()
        kept = path.with_suffix(".safetensors"), {"made_from": digest, "epoch": keep}
        if _is_made(path, digest) and (keep is None or _is_kept(*kept)):
            print(f"{path}: stands")
            return
        provenance = Provenance(spec=spec, **student.settings())
        machine = {"device": student.device.type, "torch": str(torch.__version__)}
        checkpoint = Checkpoint(checkpoint_of(path, _results_of(path)), all_of_it | machine, self.minutes, self.stop)
        self.checkpoints.append(checkpoint)
        if checkpoint.row is None or not (keep is None or _is_kept(*kept)):
            row = self._result(teachers, make, checkpoint, *(kept if keep else (None, None)))
            checkpoint.finish(dict.fromkeys(SCHEMAS[table].names) | identity | row)
        record = provenance.record(student.device) | {"seconds": round(checkpoint.seconds, 3), "made_from": digest}
        write_table(pd.DataFrame([checkpoint.row]), table, path, record)

    def _result(self, teachers, make, checkpoint, weights, metadata):
        """The columns of a row, with a remark and no measures where there is no result; writes the weights before."""
        networks, reason = {}, exclusion_among(self.student, teachers)
        if reason is not None:
            row = {"remark": reason, "images": 0}
        else:
            try:
                row, networks = make(checkpoint)
            except DiskError:
                raise
            except InputError as error:
                row = {"remark": str(error), "images": len(self.student.evaluation)}
        if weights is not None:
            network = networks.get(metadata["epoch"])
            excluded = row["remark"] if network is None else None
            save_weights(network.state_dict() if network else {}, weights, excluded, **metadata)
        return row

    def end(self):
        """All rows are written: no checkpoint is needed any more."""
        for checkpoint in self.checkpoints:
            checkpoint.remove()


def _results_of(path):
    """Folder of the study that a result lies in: one of its own transfers, of a sweep, or of a team."""
    return next(folder.parent for folder in path.parents if folder.name in ("transfers", "sweeps", "teams"))


def _is_made(path, digest):
    try:
        return read_metadata(path).get("made_from") == digest
    except InputError:
        return False


def _is_kept(weights, metadata):
    try:
        return weights.exists() and metadata.items() <= metadata_of_weights(weights).items()
    except InputError:
        return False


def transfer_once(spec, student, teacher, checkpoint):
    """One transfer: the columns that measure it, and the students that came of it, of the last and of the best epoch.

    Args:
        spec: TransferSpec.
        student: Student.
        teacher: whatever has `answers`, `features` and `correct` as a Teacher has them; a Student where it learns too;
            None for the controls.
        checkpoint: Checkpoint.

    Raises:
        InputError: it diverged.
        Stopped: it was asked to stop.
    """
    model, shown = student.build(), student.transfer_views
    best = best_epoch_of(spec, student, checkpoint)
    evaluate = partial(after_epoch, spec, student, checkpoint, best) if spec.evaluate_epochs or best else None
    how = {"device": student.device, "checkpoint": checkpoint, "evaluate": evaluate, "best": best}
    if spec.target == "mutual":
        other = teacher.build()
        history = learn_mutually(spec, (model, other), (shown, teacher.transfer_views), student.labels, **how)
        gain, loss = gain_and_loss(teacher.correct, teacher.answer(other, checkpoint.stop))
        more = {"teacher_gain": float(gain), "teacher_loss": float(loss)}
    else:
        answers, features = (teacher.answers, teacher.features) if teacher else (None, None)
        history = transfer_knowledge(
            spec, model, shown, student.labels, student.answers, answers, **how, teacher_features=features
        )
        more = {}
    row = measure_student(
        student, model, teacher.correct if teacher else None, checkpoint, history, spec.evaluate_epochs
    )
    networks = {"last": model}
    if best:
        networks["best"], measures = _measure_best(best, student, checkpoint)
        more |= measures
    return row | more, networks


def best_epoch_of(spec, student, checkpoint):
    """A BestEpoch for a transfer that keeps images apart for it, else None."""
    if not spec.select_share:
        return None
    _, apart = images_of(spec, student.labels)

    def accuracy_of(network):
        right = student.answer_transfer_images(network, apart, checkpoint.stop)
        return float((right == student.labels[apart]).mean())

    return BestEpoch(accuracy_of)


def _measure_best(best, student, checkpoint):
    """The student of the best epoch, and what it gained and lost."""
    network = student.build().to(student.device)
    network.load_state_dict(best.state)
    gain, loss = gain_and_loss(student.correct, student.answer(network.eval(), checkpoint.stop))
    return network, {"best_epoch": best.epoch, "best_gain": float(gain), "best_loss": float(loss)}


def after_epoch(spec, student, checkpoint, best, network, epoch):
    """What is measured after an epoch of a transfer, by the names of the columns; the last one's is the transfer's own."""
    if best is not None:
        best.see(network, epoch)
    if not spec.evaluate_epochs or epoch == spec.epochs:
        return {}
    gain, loss = gain_and_loss(student.correct, student.answer(network, checkpoint.stop))
    return {"epoch_gain": float(gain), "epoch_loss": float(loss)}


def measure_student(student, model, knows, checkpoint, history, evaluated=False):
    """The columns that measure what became of a student.

    Args:
        student: Student, as it was.
        model: the network that came of it.
        knows: bool [evaluation images], what its teacher, or any of them, gets right; None for the controls.
        checkpoint: says when to stop.
        history: dict of per-epoch lists.
        evaluated: whether these hold gain and loss.
    """
    after = student.answer(model, checkpoint.stop)
    measures = measure_transfer(student.correct, after, knows, student.evaluation)
    if evaluated:  # all epochs but the last, whose result this is
        for name in ("gain", "loss"):
            history.setdefault(f"epoch_{name}", []).append(float(measures[name]))
    accuracies = measures["accuracy_before"], measures["accuracy_after"]
    return {
        "remark": describe_collapse(*accuracies, student.classes, measures["images"]),
        **measures,
        **history,
        "right_after": np.packbits(after).tobytes(),
    }
