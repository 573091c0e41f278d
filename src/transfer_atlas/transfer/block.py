"""The transfers of one student that share a process."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from transfer_atlas.checkpoint import Checkpoint, checkpoint_of, describe_files, stop_on_signals
from transfer_atlas.errors import DiskError, InputError, Stopped
from transfer_atlas.images.pixels import open_pixels
from transfer_atlas.images.views import Views
from transfer_atlas.logits.inference import infer_batches
from transfer_atlas.logits.storage import open_logits
from transfer_atlas.provenance import Provenance
from transfer_atlas.tables import exclusion, read_metadata, read_table, write_table
from transfer_atlas.transfer.loop import transfer_knowledge
from transfer_atlas.transfer.measures import HISTORY, describe_collapse, gain_and_loss, measure_transfer, no_measures
from transfer_atlas.zoo.build import build_model


@dataclass(frozen=True)
class Student:
    """A student and all that its transfers share; what takes time is read when it is first asked for.

    Attributes:
        row: row of the zoo sheet.
        classes: number of classes.
        input_size: side of the input in pixels.
        weights: weights file, or None for the hub's.
        index: images table of the transfer images.
        transfer_pixels: decoded transfer images.
        evaluation_pixels: decoded evaluation images.
        logits: its answers to all views of the transfer images.
        predictions: predictions table of the evaluation images.
        views: number of views.
        transforms: as in `images.views.Views`.
        seed: seed of the study.
        precision: of its answers, as in `logits.inference.infer_batches`; training is in float32.
        device: where it is trained.
    """

    row: dict
    classes: int
    input_size: int
    weights: str | None
    index: str
    transfer_pixels: str
    evaluation_pixels: str
    logits: str
    predictions: str
    views: int
    transforms: list
    seed: int
    precision: str
    device: torch.device

    def build(self):
        """A fresh pretrained copy."""
        return build_model(self.row, self.classes, self.input_size, self.weights)

    @cached_property
    def labels(self):
        """Int [transfer images]."""
        return read_table(self.index)["label"].to_numpy()

    @cached_property
    def transfer_views(self):
        """Views of the transfer images."""
        images = read_table(self.index)["image"]
        return Views(open_pixels(self.transfer_pixels), images, self.views, self.transforms, self.seed)

    @cached_property
    def evaluation_images(self):
        """Pixels of the evaluation images."""
        return open_pixels(self.evaluation_pixels)

    @cached_property
    def answers(self):
        """Its logits of all views."""
        return open_logits(self.logits)

    @cached_property
    def evaluation(self):
        """Labels of the evaluation images."""
        return read_table(self.predictions, ["label"])["label"].to_numpy()

    @cached_property
    def correct(self):
        """Bool [evaluation images], before any transfer; measured again where the logits come from another device."""
        if read_metadata(self.predictions)["device"].split(":")[0] == self.device.type:
            return read_table(self.predictions, ["correct"])["correct"].to_numpy()
        return self.answer(self.build().to(self.device))

    def answer(self, model, stop=lambda: False):
        """Bool [evaluation images]: what a copy of the student gets right.

        Raises:
            Stopped: `stop` says that the job was asked to; the training that went before is kept.
        """
        pixels, batch_size = self.evaluation_images, self.row["inference_batch_size"]
        predictions = []
        for _, logits in infer_batches(
            model, pixels.__getitem__, len(pixels), batch_size, self.device, precision=self.precision
        ):
            predictions.append(logits.argmax(dim=1).numpy())
            if stop():
                raise Stopped("asked to stop in an evaluation; call again to evaluate anew")
        return np.concatenate(predictions) == self.evaluation

    def settings(self):
        """What results depend on, apart from files."""
        return {
            "row": {key: value for key, value in self.row.items() if key != "inference_batch_size"},
            "classes": self.classes,
            "input_size": self.input_size,
            "views": self.views,
            "transforms": self.transforms,
            "seed": self.seed,
            "precision": self.precision,
        }

    def files(self):
        """What results are made from."""
        pixels = [self.transfer_pixels, self.evaluation_pixels]
        return [path for path in (self.weights, self.index, *pixels, self.logits, self.predictions) if path]


@dataclass(frozen=True)
class Teacher:
    """Paths of a teacher's answers: logits of the transfer images, predictions of the evaluation images."""

    logits: str
    predictions: str


def run_block(specs, outputs, student, teachers, minutes, code):
    """Make the transfers of one student one after another, and write each as a row of the transfers table.

    A transfer whose file was made from the same things stands, so a job that a new teacher joins makes that one
    transfer. One that is stopped goes on from its checkpoint.

    Args:
        specs: list of TransferSpec.
        outputs: their files, transfers/<method>/<student>/<teacher>/<seed>.parquet.
        student: Student.
        teachers: dict of name to Teacher.
        minutes: time between two checkpoints inside an epoch.
        code: digest of the code that makes the numbers.

    Raises:
        Stopped: a signal asked for it; what was done is kept.
    """
    stop, checkpoints = stop_on_signals(), []
    for spec, path in zip(specs, outputs, strict=True):
        teacher = teachers.get(spec.teacher)
        files = student.files() + ([teacher.logits, teacher.predictions] if teacher else [])
        identity = {"spec": asdict(spec), **student.settings(), "files": describe_files(files), "code": code}
        made_from = hashlib.blake2b(json.dumps(identity, sort_keys=True).encode(), digest_size=16).hexdigest()
        if _is_made(path, made_from):
            print(f"{path}: stands")
            continue
        provenance = Provenance(spec=asdict(spec), **student.settings())
        machine = {"device": student.device.type, "torch": str(torch.__version__)}
        checkpoint = Checkpoint(checkpoint_of(path, _results_of(path)), identity | machine, minutes, stop)
        checkpoints.append(checkpoint)
        if checkpoint.row is None:
            checkpoint.finish(_make_row(spec, student, teacher, checkpoint))
        record = provenance.record(student.device) | {"seconds": round(checkpoint.seconds, 3), "made_from": made_from}
        write_table(pd.DataFrame([checkpoint.row]), "transfer", path, record)
    for checkpoint in checkpoints:
        checkpoint.remove()


def _results_of(path):
    """Folder of the study that a transfer's file lies in, of its own transfers or of a sweep."""
    return next(folder.parent for folder in Path(path).parents if folder.name in ("transfers", "sweeps"))


def _is_made(path, made_from):
    try:
        return read_metadata(path).get("made_from") == made_from
    except InputError:
        return False


def _make_row(spec, student, teacher, checkpoint):
    """One row of the transfers table, with a remark and no measures where there is no result."""
    identity = {"method": spec.method, "student": spec.student, "teacher": spec.teacher, "seed": spec.seed}
    for role, model in (("student", student), ("teacher", teacher)):
        reason = exclusion(model.predictions) if model else None
        if reason is not None:
            return {**identity, "remark": f"the {role} is excluded: {reason}", **no_measures(0)}
    model = student.build()
    knows, answers = None, None
    if teacher is not None:
        knows, answers = read_table(teacher.predictions, ["correct"])["correct"].to_numpy(), open_logits(teacher.logits)
    views, own = student.transfer_views, student.answers

    def evaluate(network):
        gain, loss = gain_and_loss(student.correct, student.answer(network, checkpoint.stop))
        return {"epoch_gain": float(gain), "epoch_loss": float(loss)}

    curves = evaluate if spec.evaluate_epochs else None
    try:
        history = transfer_knowledge(
            spec, model, views, student.labels, own, answers, student.device, checkpoint, curves
        )
    except DiskError:
        raise
    except InputError as error:
        return {**identity, "remark": f"diverged: {error}", **no_measures(len(student.evaluation))}
    after = student.answer(model, checkpoint.stop)
    measures = measure_transfer(student.correct, after, knows, student.evaluation)
    if spec.evaluate_epochs:
        for name in ("gain", "loss"):
            history.setdefault(f"epoch_{name}", []).append(float(measures[name]))
    remark = describe_collapse(
        measures["accuracy_before"], measures["accuracy_after"], student.classes, measures["images"]
    )
    return {
        **identity,
        "remark": remark,
        **measures,
        **dict.fromkeys(HISTORY),
        **history,
        "right_after": np.packbits(after).tobytes(),
    }
