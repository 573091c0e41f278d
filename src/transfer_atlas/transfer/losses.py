"""Targets and losses of a transfer: pure functions of logits, one value per image, nothing reduced over images.

docs/method.md owns the formula. Logits are float32 [images, classes], labels int64 [images].
"""

from functools import cache

import numpy as np
import torch
from torch.nn import functional


def choose_target(target, confidence, student, teacher, labels, temperatures=(1.0, 1.0)):
    """Choose whose logits the student imitates on each image.

    Args:
        target: a key of TARGETS.
        confidence: for most_confident and confidence_gap: label (probability of the label) or max (largest probability).
        student: logits of the frozen student.
        teacher: logits of the teacher; None where the target needs none.
        labels: classes of the images.
        temperatures: by which logits of student and teacher are divided before their confidences are compared.

    Returns:
        (logits, from_teacher): float32 [images, classes], and the teacher's part in each, bool or 0 to 1, [images].

    Raises:
        KeyError: unknown target.
    """
    gap = None
    if confidence is not None and target in COMPARING:
        own, other = (
            log_odds(logits / temperature, confidence, labels)
            for logits, temperature in zip((student, teacher), temperatures, strict=True)
        )
        gap = other - own
    return TARGETS[target](gap, student, teacher, labels)


def _of_teacher(gap, student, teacher, labels):
    return teacher, torch.ones(len(teacher), dtype=torch.bool, device=teacher.device)


def _of_student(gap, student, teacher, labels):
    return student, torch.zeros(len(student), dtype=torch.bool, device=student.device)


def _of_the_more_confident(gap, student, teacher, labels):
    """The teacher where it is strictly more confident than the frozen student (the paper's data partitioning)."""
    return _partition(gap > 0, student, teacher)


def _of_the_teacher_on_flips(gap, student, teacher, labels):
    """The teacher where it is right and the frozen student wrong."""
    right, wrong = teacher.argmax(dim=1) == labels, student.argmax(dim=1) != labels
    return _partition(right & wrong, student, teacher)


def _of_the_student_on_negative_flips(gap, student, teacher, labels):
    """The frozen student where it is right and the teacher wrong; the teacher elsewhere."""
    right, wrong = student.argmax(dim=1) == labels, teacher.argmax(dim=1) != labels
    return _partition(~(right & wrong), student, teacher)


def _of_whoever_is_right(gap, student, teacher, labels):
    """The model that alone is right; where both are right or both wrong, the mean of both softmaxes."""
    by_teacher, by_student = teacher.argmax(dim=1) == labels, student.argmax(dim=1) == labels
    return _mixture(0.5 + 0.5 * (by_teacher.float() - by_student.float()), student, teacher)


def _by_confidence_gap(gap, student, teacher, labels):
    """A mixture in place of a choice: the teacher's weight is the logistic function of how much larger its log-odds are."""
    return _mixture(gap.sigmoid(), student, teacher)


def _mixture(weight, student, teacher):
    """Logits whose softmax is `weight` of the teacher's and the rest of the student's, and that weight."""
    # the logarithm of a weight of 0 leaves that one out
    of_teacher = teacher.log_softmax(dim=1) + weight.log()[:, None]
    of_student = student.log_softmax(dim=1) + (1 - weight).log()[:, None]
    return torch.logaddexp(of_teacher, of_student), weight


def _partition(from_teacher, student, teacher):
    return torch.where(from_teacher[:, None], teacher, student), from_teacher


# logits to imitate, and where they are the teacher's; what a target needs stands in the schema of the config
TARGETS = {
    "teacher": _of_teacher,
    "student": _of_student,
    "shuffled": _of_student,  # to other images: `shuffled_rows`
    "most_confident": _of_the_more_confident,
    "flips": _of_the_teacher_on_flips,
    "keep_flips": _of_the_student_on_negative_flips,
    "right": _of_whoever_is_right,
    "confidence_gap": _by_confidence_gap,
}
COMPARING = ("most_confident", "confidence_gap")  # confidences


@cache
def shuffled_rows(images):
    """The image whose logits stand in for those of each image, from a teacher that knows nothing, int [images].

    They are the student's own logits of other images: as confident as the student, and without information on the image.
    The order is the same in every view and transfer, so that an image keeps its wrong logits.
    """
    return np.random.default_rng(0).permutation(images)


def log_odds(logits, kind, labels):
    """Log-odds of the label (kind label) or of the prediction (kind max), float32 [images].

    They order logits as the probabilities do, and go on to do so where probabilities round to 1.
    """
    chosen = labels if kind == "label" else logits.argmax(dim=1)
    others = logits.scatter(1, chosen[:, None], -torch.inf)
    return logits.gather(1, chosen[:, None]).squeeze(1) - others.logsumexp(dim=1)


def imitation(student, target, temperature, top_k=0):
    """T^2 KL(softmax(target / T) || softmax(student / T)) in nats, float32 [images] (the paper's KL-Dist).

    Args:
        student: logits of the student that learns.
        target: logits to imitate.
        temperature: T.
        top_k: both softmaxes are taken over the k classes with the target's largest logits; 0 for all classes.
    """
    if 0 < top_k < target.shape[1]:
        kept = target.topk(top_k, dim=1).indices
        student, target = student.gather(1, kept), target.gather(1, kept)
    log_student = functional.log_softmax(student / temperature, dim=1)
    log_target = functional.log_softmax(target / temperature, dim=1)
    return temperature**2 * functional.kl_div(log_student, log_target, reduction="none", log_target=True).sum(dim=1)


def cross_entropy(student, labels, label_smoothing=0.0, double_softmax=False):
    """Cross-entropy with the labels in nats, float32 [images].

    Args:
        student: logits of the student that learns.
        labels: classes of the images.
        label_smoothing: share of the target that goes to all classes alike.
        double_softmax: take the softmax twice, as the authors' code does: the value is confined to a range of one nat,
            and its gradient a fraction of the true one.
    """
    logits = student.softmax(dim=1) if double_softmax else student
    return functional.cross_entropy(logits, labels, reduction="none", label_smoothing=label_smoothing)


def imitation_mask(student, target, labels):
    """1 where there is something to imitate, 0 where the learning student is right and its target wrong; [images].

    The authors' MCL leaves these samples out, by the predictions of the student as it learns.
    """
    return (~((student.argmax(dim=1) == labels) & (target.argmax(dim=1) != labels))).to(student.dtype)


def transfer_losses(
    student,
    target,
    labels,
    label_weight,
    temperature,
    label_smoothing=0.0,
    top_k=0,
    double_softmax=False,
    spare_right=False,
):
    """Loss of each image, before the mean over images: float32 [images], in nats.

    Args:
        student: logits of the student that learns.
        target: logits to imitate; None with label_weight 1.
        labels: classes of the images.
        label_weight: w, 0 to 1: share of the cross-entropy; imitation has the rest.
        temperature: of the imitation.
        label_smoothing: of the cross-entropy.
        top_k: of the imitation.
        double_softmax: of the cross-entropy.
        spare_right: no imitation where `imitation_mask` is 0.
    """
    terms = []
    if label_weight > 0:
        terms.append(label_weight * cross_entropy(student, labels, label_smoothing, double_softmax))
    if target is not None and label_weight < 1:
        imitated = imitation(student, target, temperature, top_k)
        terms.append(
            (1 - label_weight) * (imitation_mask(student, target, labels) * imitated if spare_right else imitated)
        )
    return sum(terms)


def mutual_losses(student, teacher, labels, label_weight, temperature):
    """Loss of each image where two models teach each other (Bi-KD): the one more confident of the label is the teacher.

    The gradient goes into both models, the one that teaches included.

    Args:
        student: logits of the student.
        teacher: logits of the teacher, which teaches where both are equally sure.
        labels: classes of the images.
        label_weight: w, 0 to 1: share of both cross-entropies; imitation has the rest.
        temperature: of the imitation.

    Returns:
        (losses, from_teacher): float32 [images] in nats, and where the teacher taught, bool [images].
    """
    from_teacher = log_odds(teacher, "label", labels) >= log_odds(student, "label", labels)
    learning = torch.where(from_teacher[:, None], student, teacher)
    teaching = torch.where(from_teacher[:, None], teacher, student)
    labelled = cross_entropy(student, labels) + cross_entropy(teacher, labels)
    return label_weight * labelled + (1 - label_weight) * imitation(learning, teaching, temperature), from_teacher
