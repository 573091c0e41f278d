"""A student and its teachers, with the files that their transfers read."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from transfer_atlas.errors import Stopped
from transfer_atlas.images.pixels import open_pixels
from transfer_atlas.logits.inference import infer_batches
from transfer_atlas.logits.model import StudyModel
from transfer_atlas.logits.storage import open_logits
from transfer_atlas.logits.writers import compute_logits
from transfer_atlas.store.arrays import open_array
from transfer_atlas.store.tables import exclusion, read_metadata, read_table


@dataclass(frozen=True, kw_only=True)
class Student(StudyModel):
    """A model that learns, and all that its transfers share; files are read when they are first needed.

    Attributes:
        index: images table of the transfer images.
        transfer_pixels: decoded transfer images.
        evaluation_pixels: decoded evaluation images.
        stored_logits: its logits of all views of the transfer images.
        predictions: its predictions table of the evaluation images.
        count: number of views.
    """

    index: str
    transfer_pixels: str
    evaluation_pixels: str
    stored_logits: str
    predictions: str
    count: int

    @property
    def results(self):
        """Folder of the study's results, which the index lies in as images/transfer.parquet."""
        return Path(self.index).parents[1]

    @cached_property
    def labels(self):
        """Int [transfer images]."""
        return read_table(self.index)["label"].to_numpy()

    @cached_property
    def transfer_views(self):
        """Views of the transfer images."""
        return self.views(open_pixels(self.transfer_pixels), read_table(self.index)["image"], self.count)

    @cached_property
    def evaluation_images(self):
        """Pixels of the evaluation images."""
        return open_pixels(self.evaluation_pixels)

    @cached_property
    def logits(self):
        """Logits of all views of the transfer images before any transfer, [views, images, classes]."""
        return open_logits(self.stored_logits)

    def write_logits(self, network, path, checkpoint):
        """Write the logits of all views by a copy of the student to `path`; arguments as in `compute_logits`."""
        views, index = self.transfer_views, read_table(self.index)
        settings = self.classes, self.batch_size, self.device
        compute_logits(network, views, index, *settings, path, self.name, checkpoint, **self.inference)

    @cached_property
    def evaluation_labels(self):
        """Int [evaluation images]."""
        return read_table(self.predictions, ["label"])["label"].to_numpy()

    @cached_property
    def correct(self):
        """Bool [evaluation images] before any transfer; computed again where the predictions are of another kind of device."""
        if read_metadata(self.predictions)["device"].split(":")[0] == self.device.type:
            return read_table(self.predictions, ["correct"])["correct"].to_numpy()
        return self.evaluate(self.build().to(self.device))

    def evaluate(self, network, stop=lambda: False):
        """Which evaluation images a copy of the student predicts correctly, bool [evaluation images].

        Raises:
            Stopped: `stop` says that the job was asked to; the training before the evaluation is kept.
        """
        pixels = self.evaluation_images
        return self._correct(network, pixels.__getitem__, self.evaluation_labels, stop)

    def evaluate_transfer_images(self, network, rows, stop=lambda: False):
        """The same of some transfer images in view 0, bool [rows]."""
        pixels = self.transfer_views.pixels
        return self._correct(network, lambda places: pixels[rows[places]], self.labels[rows], stop)

    def _correct(self, network, pixels_of, labels, stop):
        options = {"device": self.device, "precision": self.precision}
        predictions = []
        for _, logits in infer_batches(network, pixels_of, len(labels), self.batch_size, **options):
            predictions.append(logits.argmax(dim=1).numpy())
            if stop():
                raise Stopped("asked to stop in an evaluation; call again to evaluate anew")
        return np.concatenate(predictions) == labels

    def settings(self):
        """All that a transfer depends on apart from files and its spec."""
        return super().settings() | {"views": self.count}

    def files(self):
        """The files that a transfer reads of this model."""
        pixels = [self.transfer_pixels, self.evaluation_pixels]
        return [path for path in (self.weights, self.index, *pixels, self.stored_logits, self.predictions) if path]


@dataclass(frozen=True)
class Teacher:
    """A teacher that does not learn: files of its logits and predictions.

    Attributes:
        stored_logits: its logits of all views of the transfer images.
        predictions: its predictions table of the evaluation images.
        stored_features: its features of all views of the transfer images; None where no method needs them.
    """

    stored_logits: str
    predictions: str
    stored_features: str | None = None

    @cached_property
    def logits(self):
        """[views, images, classes]."""
        return open_logits(self.stored_logits)

    @cached_property
    def features(self):
        """float16 [views, images, features], or None."""
        return None if self.stored_features is None else open_array(self.stored_features)

    @cached_property
    def correct(self):
        """Bool [evaluation images]."""
        return read_table(self.predictions, ["correct"])["correct"].to_numpy()

    def files(self):
        """The files that a transfer reads of this teacher."""
        return [path for path in (self.stored_logits, self.predictions, self.stored_features) if path]


def open_student(settings, files, device):
    """The student of a job.

    Args:
        settings: dict of row, classes, input_size, views, transforms, seed and inference.
        files: mapping of index and, each with the prefix `student_`, weights, transfer_pixels, evaluation_pixels, logits
            and predictions.
        device: where it is trained.
    """
    names = ("weights", "transfer_pixels", "evaluation_pixels", "logits", "predictions")
    return _student(settings, {name: files.get(f"student_{name}") for name in names}, files["index"], device)


def open_teachers(names, settings, files, device):
    """The teachers of a job: dict of name to Teacher, or to Student where they learn too.

    Args:
        names: their names.
        settings: as in `open_student`, of each teacher that learns too; empty where none does.
        files: mapping of index and, each with the prefix `teacher_`, lists of logits and predictions; of features where a
            method needs them; and of weights, transfer_pixels and evaluation_pixels where the teachers learn too.
        device: where they are trained.
    """
    logits, predictions = files["teacher_logits"], files["teacher_predictions"]
    if not settings:
        features = files.get("teacher_features") or [None] * len(names)
        return dict(zip(names, map(Teacher, logits, predictions, features), strict=True))
    kinds = ("weights", "transfer_pixels", "evaluation_pixels", "logits", "predictions")
    rows = zip(*(files[f"teacher_{kind}"] for kind in kinds), strict=True)
    return {
        name: _student(own, dict(zip(kinds, row, strict=True)), files["index"], device)
        for name, own, row in zip(names, settings, rows, strict=True)
    }


def _student(settings, files, index, device):
    settings, files = dict(settings), dict(files)
    return Student(
        count=settings.pop("views"),
        weights=files.pop("weights") or None,
        stored_logits=files.pop("logits"),
        **settings,
        **files,
        index=index,
        device=device,
    )


def excluded_model(student, teachers):
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
