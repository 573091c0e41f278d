"""A student, its teachers, and the files that their transfers read."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from transfer_atlas.errors import Stopped
from transfer_atlas.images.pixels import open_pixels
from transfer_atlas.images.views import Views
from transfer_atlas.logits.inference import compute_logits, infer_batches
from transfer_atlas.logits.storage import open_logits
from transfer_atlas.store.arrays import open_array
from transfer_atlas.store.tables import exclusion, read_metadata, read_table
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
        inference: dict of precision and top_logits of its answers, as in `logits.inference.compute_logits`; training is
            in float32.
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
    inference: dict
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

    def answer_views(self, model, path, checkpoint):
        """Logits of all views by a copy of the student, written to `path` as its own are; arguments of `compute_logits`."""
        index, batch_size = read_table(self.index), self.row["inference_batch_size"]
        name, options = self.row["model"], self.inference
        views = self.transfer_views
        compute_logits(model, views, index, self.classes, batch_size, self.device, path, name, checkpoint, **options)
        return open_logits(path)

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
        pixels = self.evaluation_images
        return self._right(model, pixels.__getitem__, self.evaluation, stop)

    def answer_transfer_images(self, model, rows, stop=lambda: False):
        """Bool [rows]: what a copy of the student gets right of some transfer images, in view 0; as `answer`."""
        pixels = self.transfer_views.pixels
        return self._right(model, lambda places: pixels[rows[places]], self.labels[rows], stop)

    def _right(self, model, pixels_of, labels, stop):
        options = {"device": self.device, "precision": self.inference["precision"]}
        predictions = []
        for _, logits in infer_batches(model, pixels_of, len(labels), self.row["inference_batch_size"], **options):
            predictions.append(logits.argmax(dim=1).numpy())
            if stop():
                raise Stopped("asked to stop in an evaluation; call again to evaluate anew")
        return np.concatenate(predictions) == labels

    def settings(self):
        """What results depend on, apart from files."""
        return {
            "row": {key: value for key, value in self.row.items() if key != "inference_batch_size"},
            "classes": self.classes,
            "input_size": self.input_size,
            "views": self.views,
            "transforms": self.transforms,
            "seed": self.seed,
            "inference": self.inference,
        }

    def files(self):
        """What results are made from."""
        pixels = [self.transfer_pixels, self.evaluation_pixels]
        return [path for path in (self.weights, self.index, *pixels, self.logits, self.predictions) if path]


@dataclass(frozen=True)
class Teacher:
    """Paths of a teacher's answers: logits of the transfer images, predictions of the evaluation images.

    `stored_features` are of the transfer images, None where no method needs them.
    """

    logits: str
    predictions: str
    stored_features: str | None = None

    @cached_property
    def answers(self):
        """Its logits of all views of the transfer images."""
        return open_logits(self.logits)

    @cached_property
    def features(self):
        """Its features of all views of the transfer images, or None."""
        return None if self.stored_features is None else open_array(self.stored_features)

    def files(self):
        """What is read of it."""
        return [path for path in (self.logits, self.predictions, self.stored_features) if path]

    @cached_property
    def correct(self):
        """Bool [evaluation images]."""
        return read_table(self.predictions, ["correct"])["correct"].to_numpy()


def student_of_job(settings, files, device):
    """The student of a job.

    Args:
        settings: dict of row, classes, input_size, views, transforms, seed and inference.
        files: mapping of index, transfer_pixels, evaluation_pixels, weights, and of logits and predictions, lists whose
            first is the student's.
        device: where it is trained.
    """
    return Student(
        **settings,
        **{name: files[name] for name in ("index", "transfer_pixels", "evaluation_pixels")},
        weights=files.get("weights") or None,
        logits=files["logits"][0],
        predictions=files["predictions"][0],
        device=device,
    )


def teachers_of_job(names, settings, files, device):
    """The teachers of a job, dict of name to Teacher, or to Student where they learn too.

    Args:
        names: their names.
        settings: as in `student_of_job`, of each that learns too; empty where none does.
        files: as in `student_of_job`, where lists have the teachers behind the student; features where they are needed;
            and of those that learn too the lists teacher_weights, teacher_transfer_pixels, teacher_evaluation_pixels.
        device: where they are trained.
    """
    lists = {name: files[name][1:] for name in ("logits", "predictions")}
    if not settings:
        features = files.get("features") or [None] * len(names)
        return dict(zip(names, map(Teacher, lists["logits"], lists["predictions"], features), strict=True))
    lists |= {name: files[f"teacher_{name}"] for name in ("weights", "transfer_pixels", "evaluation_pixels")}
    of_each = [{name: values[place] for name, values in lists.items()} for place in range(len(names))]
    learning = [
        Student(**of_one, **paths, index=files["index"], device=device)
        for of_one, paths in zip(settings, of_each, strict=True)
    ]
    return dict(zip(names, learning, strict=True))


def exclusion_among(student, teachers):
    """Why a transfer has no result before it begins, or None: one of its models was left out of the study.

    Args:
        student: Student.
        teachers: dict of name to Teacher.
    """
    if reason := exclusion(student.predictions):
        return f"the student is excluded: {reason}"
    for name, teacher in teachers.items():
        if reason := exclusion(teacher.predictions):
            return f"the teacher {name} is excluded: {reason}"
    return None
