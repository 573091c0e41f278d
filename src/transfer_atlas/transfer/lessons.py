"""Lessons: what one training step teaches, each a module around the networks that it trains.

`forward(view, rows, labels)` takes the number of a view, the rows of a batch of transfer images, int [batch], and their
labels, int64 [batch], on the device of the networks. It returns (losses, logits, teacher_share): the loss of each image in
nats, float32 [batch]; the student's logits, float32 [batch, classes]; and the teacher's share of each target, 0 to 1, [batch].
"""

import numpy as np
import torch
from torch import nn

from transfer_atlas.transfer.calibration import calibration_temperatures
from transfer_atlas.transfer.contrast import contrast_of
from transfer_atlas.transfer.losses import choose_target, mutual_losses, shuffled_rows, transfer_losses
from transfer_atlas.transfer.weights import perturb_weights
from transfer_atlas.zoo.build import Input, logits_of
from transfer_atlas.zoo.features import feature_length, features_and_logits


class Lesson(nn.Module):
    """A student and the transfer images as it sees them."""

    def __init__(self, spec, student, views):
        """Keep the TransferSpec, the student's network, and the Views of the transfer images."""
        super().__init__()
        self.spec, self.student, self.views, self.to_input = spec, student, views, Input(student)

    def student_input(self, view, rows):
        """A batch of images, float32 [batch, 3, size, size]."""
        return self.to_input(self.views.batch(view, rows, self.to_input.device))


class Imitation(Lesson):
    """The student imitates target logits and learns the labels; each has the share that the method gives it.

    The logits of the teacher and of the frozen student are on disk, so that a step costs one forward and one backward pass
    of the student.
    """

    def __init__(self, spec, student, views, labels, student_logits, teacher_logits=None):
        """Prepare the lesson.

        Args:
            spec: the TransferSpec.
            student: network that learns.
            views: Views of the transfer images.
            labels: int [transfer images].
            student_logits: logits of the frozen student, [views, images, classes].
            teacher_logits: logits of the teacher, likewise; None for the controls.
        """
        super().__init__(spec, student, views)
        self.student_logits, self.teacher_logits = student_logits, teacher_logits
        self.temperatures = calibration_temperatures(spec, labels, student_logits, teacher_logits)

    def forward(self, view, rows, labels):
        target, teacher_share = self.target(view, rows, labels)
        logits = logits_of(self.student(self.student_input(view, rows)))
        return self.losses(logits, target, labels), logits, teacher_share

    def target(self, view, rows, labels):
        """Logits to imitate, [batch, classes] or None, and the teacher's share of each, [batch]."""
        target = self.spec.target
        if target is None:
            return None, torch.zeros(len(labels))
        student_rows = shuffled_rows(self.student_logits.shape[1])[rows] if target == "shuffled" else rows
        # a sequence of teachers computes the student's logits only when they are read
        by_student = None if target == "teacher" else _batch(self.student_logits, view, student_rows, labels.device)
        by_teacher = _batch(self.teacher_logits, view, rows, labels.device)
        return choose_target(target, self.spec.confidence, by_student, by_teacher, labels, self.temperatures)

    def losses(self, logits, target, labels):
        """Loss of each image, [batch]: imitation and cross-entropy."""
        names = ("temperature", "label_smoothing", "top_k", "double_softmax", "spare_right")
        options = {name: getattr(self.spec, name) for name in names}
        return transfer_losses(logits, target, labels, self.spec.label_weight, **options)


class FeatureContrast(Imitation):
    """Imitation, and the student's features come to resemble the teacher's, which are on disk (CD and CRD)."""

    def __init__(self, spec, student, views, labels, student_logits, teacher_logits, teacher_features):
        """As `Imitation`; `teacher_features` are float16 [views, images, features]."""
        super().__init__(spec, student, views, labels, student_logits, teacher_logits)
        self.teacher_features = teacher_features
        length = feature_length(student, self.student_input(0, np.arange(1)))
        self.contrast = contrast_of(spec, labels, length, teacher_features.shape[-1])

    def forward(self, view, rows, labels):
        target, _ = self.target(view, rows, labels)
        features, logits = features_and_logits(self.student, self.student_input(view, rows))
        teacher_features = _batch(self.teacher_features, view, rows, labels.device)
        contrast = self.contrast(features, teacher_features, torch.from_numpy(rows).to(labels.device))  # [batch]
        losses = self.losses(logits, target, labels) + self.spec.contrast["weight"] * contrast
        return losses, logits, torch.ones(len(rows))


class MutualLearning(Lesson):
    """Student and teacher teach each other (Bi-KD, arXiv 2510.22208): both are trained; no stored logits are used."""

    def __init__(self, spec, student, teacher, views, teacher_views):
        """As `Lesson`; `teacher` is a network too, and `teacher_views` are the same images in its own geometry."""
        super().__init__(spec, student, views)
        self.teacher, self.teacher_views, self.to_teacher_input = teacher, teacher_views, Input(teacher)

    def forward(self, view, rows, labels):
        logits = logits_of(self.student(self.student_input(view, rows)))
        pixels = self.teacher_views.batch(view, rows, labels.device)
        teacher_logits = logits_of(self.teacher(self.to_teacher_input(pixels)))
        losses, from_teacher = mutual_losses(
            logits, teacher_logits, labels, self.spec.label_weight, self.spec.temperature
        )
        return losses, logits, from_teacher


def _batch(stored, view, rows, device):
    """A batch of stored logits or features as float32 on a device; None where nothing is stored."""
    return None if stored is None else torch.from_numpy(np.array(stored[view, rows])).to(device).float()


def lesson_of(spec, student, teacher):
    """The lesson of one transfer.

    Args:
        spec: the TransferSpec.
        student: Student.
        teacher: Teacher, or Student where it learns too (`target: mutual`); None for the controls.

    Raises:
        InputError: a contrast of a network that is not one of timm's.
    """
    network, views = student.build(), student.transfer_views
    perturb_weights(network, spec.perturb_weights, spec.seed)
    if spec.target == "mutual":
        return MutualLearning(spec, network, teacher.build(), views, teacher.transfer_views)
    logits = student.logits, teacher.logits if teacher else None
    if spec.contrast:
        return FeatureContrast(spec, network, views, student.labels, *logits, teacher.features)
    return Imitation(spec, network, views, student.labels, *logits)
