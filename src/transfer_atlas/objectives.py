"""What the student is taught on each sample: pure functions of logits, nothing reduced over samples."""

import torch
from torch.nn import functional


def choose_target(target, confidence, teacher, student, labels):
    """Choose whose answer each sample imitates.

    Args:
        target: teacher, student, or most_confident, which takes the teacher where it is strictly more
            confident than the frozen student and the frozen student elsewhere (paper section 3.5, 3.6).
        confidence: for most_confident: label (probability of the label) or max (largest probability).
        teacher: logits of the teacher, float32 [images, classes]; None where there is none.
        student: logits of the frozen student, float32 [images, classes].
        labels: int64 [images].

    Returns:
        (logits, from_teacher): float32 [images, classes] and bool [images].
    """
    if target == "teacher":
        return teacher, torch.ones(len(teacher), dtype=torch.bool, device=teacher.device)
    if target == "student":
        return student, torch.zeros(len(student), dtype=torch.bool, device=student.device)
    from_teacher = confidence_of(teacher, confidence, labels) > confidence_of(student, confidence, labels)
    return torch.where(from_teacher[:, None], teacher, student), from_teacher


def confidence_of(logits, kind, labels):
    """Softmax probability of the label (kind label) or of the prediction (kind max), float32 [images]."""
    probabilities = logits.softmax(dim=1)
    if kind == "label":
        return probabilities.gather(1, labels[:, None]).squeeze(1)
    return probabilities.amax(dim=1)


def distillation(student, target, temperature):
    """T^2 KL(softmax(target / T) || softmax(student / T)) in nats, float32 [images] (paper section 3.1)."""
    log_student = functional.log_softmax(student / temperature, dim=1)
    log_target = functional.log_softmax(target / temperature, dim=1)
    return temperature**2 * functional.kl_div(log_student, log_target, reduction="none", log_target=True).sum(dim=1)


def objective(student, target, labels, label_weight, temperature):
    """(1 - w) distillation + w cross-entropy with the labels, in nats, float32 [images].

    Args:
        student: logits of the student that learns, float32 [images, classes].
        target: logits to imitate, float32 [images, classes]; None with label_weight 1.
        labels: int64 [images].
        label_weight: w, 0 to 1.
        temperature: of the distillation term.
    """
    if target is None:
        return label_weight * functional.cross_entropy(student, labels, reduction="none")
    imitation = (1 - label_weight) * distillation(student, target, temperature)
    if label_weight == 0:
        return imitation
    return imitation + label_weight * functional.cross_entropy(student, labels, reduction="none")
