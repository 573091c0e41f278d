"""One transfer: a student learns from answers that are already on disk."""

from functools import partial

import numpy as np
import torch
from torch import nn

from transfer_atlas.transfer.contrast import contrast_of
from transfer_atlas.transfer.loop import nested_subset, train_epochs
from transfer_atlas.transfer.objectives import choose_target, fit_temperature, objective, shuffled_rows
from transfer_atlas.zoo.build import Input
from transfer_atlas.zoo.features import feature_length, features_and_logits

CALIBRATED_ON = 10_000  # images


def transfer_knowledge(
    spec,
    model,
    views,
    labels,
    student_logits,
    teacher_logits,
    device,
    checkpoint=None,
    evaluate=None,
    teacher_features=None,
    best=None,
):
    """Train the student in place; one forward and one backward pass of the student per step, nothing else.

    Args:
        spec: the transfer.
        model: the pretrained student.
        views: Views of the transfer images.
        labels: int [images].
        student_logits: answers of the frozen student to all views, [views, images, classes].
        teacher_logits: answers of the teacher to all views, [views, images, classes]; None for the controls.
        device: where to train.
        checkpoint: as in `train_epochs`.
        evaluate: as in `train_epochs`, of the student.
        best: as in `train_epochs`.
        teacher_features: features of the teacher in all views, [views, images, features]; where spec.contrast asks for them.

    Returns:
        As `train_epochs`.

    Raises:
        Stopped: the checkpoint was asked to stop.
        InputError: the objective is no longer finite; a contrast of a model that is not timm's.
    """
    temperatures = calibrations(spec, np.asarray(labels), student_logits, teacher_logits)
    lesson = Lesson(spec, model, views, device, partial(_target, spec, student_logits, teacher_logits, temperatures))
    if spec.contrast is None:
        return train_epochs(spec, model, labels, len(views), lesson.imitate, device, checkpoint, evaluate, best)
    contrast = contrast_of(spec, labels, lesson.feature_length(), teacher_features.shape[-1])
    both = nn.ModuleDict({"student": model, "contrast": contrast})
    compare = partial(lesson.compare, contrast, teacher_features)
    told = None if evaluate is None else lambda both, epoch: evaluate(both["student"], epoch)
    return train_epochs(spec, both, labels, len(views), compare, device, checkpoint, told, best)


class Lesson:
    """What a student is taught in a step: functions of view, rows of the images and their labels, for `train_epochs`."""

    def __init__(self, spec, model, views, device, target_of):
        """Prepare; `target_of` is a function of the same to whom to imitate and the teacher's part in it."""
        self.spec, self.target_of = spec, target_of
        self.model, self.views, self.device = model.to(device), views, device
        self.to_input = Input(model).to(device)

    def _input(self, view, rows):
        return self.to_input(self.views.batch(view, rows, self.device))

    def feature_length(self):
        """How many features the student has."""
        return feature_length(self.model, self._input(0, np.arange(1)))

    def imitate(self, view, rows, labels):
        """The student's logits imitate a target, and tell the labels."""
        target, from_teacher = self.target_of(view, rows, labels)
        logits = self.model(self._input(view, rows))  # [batch, classes]
        return imitation_of(self.spec, logits, target, labels), logits, from_teacher

    def compare(self, contrast, teacher_features, view, rows, labels):
        """The same, and its features are held against the teacher's, [views, images, features]."""
        target, _ = self.target_of(view, rows, labels)
        features, logits = features_and_logits(self.model, self._input(view, rows))
        known = torch.from_numpy(np.array(teacher_features[view, rows])).to(self.device).float()
        apart = contrast(features, known, torch.from_numpy(rows).to(self.device))  # [batch]
        objectives = imitation_of(self.spec, logits, target, labels) + self.spec.contrast["weight"] * apart
        return objectives, logits, torch.ones(len(rows))


def calibrations(spec, labels, *logits):
    """Temperature of each of some stored logits, fitted on view 0 of at most 10,000 of the transfer images; else 1."""
    if not spec.calibrate:
        return (1.0,) * len(logits)
    rows = nested_subset(labels, min(1.0, CALIBRATED_ON / len(labels)))
    return tuple(fit_temperature(np.array(of_model[0, rows]), labels[rows]) for of_model in logits)


def imitation_of(spec, logits, target, labels):
    """What a step minimises of each image, as `objective`, by the recipe of a transfer."""
    how = {name: getattr(spec, name) for name in ("temperature", "label_smoothing", "top_k", "double_softmax")}
    return objective(logits, target, labels, spec.label_weight, spare_right=spec.spare_right, **how)


def _target(spec, student_logits, teacher_logits, temperatures, view, rows, labels):
    """Target logits of some images in one view and whether the teacher set them, on the device of their `labels`."""
    if spec.target is None:
        return None, torch.zeros(len(labels))

    def answers(logits, rows):
        return None if logits is None else torch.from_numpy(np.array(logits[view, rows])).to(labels.device).float()

    own = shuffled_rows(student_logits.shape[1])[rows] if spec.target == "shuffled" else rows
    # in a sequence of teachers the student's own are not there before they are asked for
    by_student = None if spec.target == "teacher" else answers(student_logits, own)
    by_teacher = answers(teacher_logits, rows)
    return choose_target(spec.target, spec.confidence, by_student, by_teacher, labels, temperatures)
