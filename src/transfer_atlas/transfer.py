"""One transfer: a student learns from answers that are already on disk."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm
from tqdm import tqdm

from transfer_atlas.checkpoint import NoCheckpoint, Progress
from transfer_atlas.logits import infer
from transfer_atlas.objectives import choose_target, objective
from transfer_atlas.statistics import paired_standard_error
from transfer_atlas.zoo import Input

NO_CHECKPOINT = NoCheckpoint()


@dataclass(frozen=True)
class TransferSpec:
    """Everything that one transfer depends on; fields as in config/README.md.

    `teacher` is None for the controls; `target` is None where only the labels teach.
    """

    method: str
    student: str
    teacher: str | None
    seed: int
    epochs: int
    batch_size: int
    lr: float
    momentum: float
    weight_decay: float
    batch_norm: str
    target: str | None = None
    confidence: str | None = None
    label_weight: float = 0.0
    temperature: float = 1.0

    def __str__(self):
        """The formula of the objective, for the log."""
        parts = []
        if self.target:
            chosen = f"{self.target}({self.confidence})" if self.confidence else self.target
            parts.append(f"{1 - self.label_weight:g} T^2 KL({chosen} || student), T = {self.temperature:g}")
        if self.label_weight:
            parts.append(f"{self.label_weight:g} cross-entropy(labels)")
        return f"{self.method} {self.teacher or 'no teacher'} -> {self.student}, seed {self.seed}: {' + '.join(parts)}"


def transfer_knowledge(spec, model, views, labels, student_logits, teacher_logits, device, checkpoint=NO_CHECKPOINT):
    """Train the student in place; one forward and one backward pass of the student per step, nothing else.

    Args:
        spec: the transfer.
        model: the pretrained student.
        views: list of uint8 [images, size, size, 3]; epoch e trains on view e mod len(views).
        labels: int [images].
        student_logits: answers of the frozen student to all views, [views, images, classes].
        teacher_logits: answers of the teacher to all views, [views, images, classes]; None for the controls.
        device: where to train.
        checkpoint: where the training goes on from, and is kept.

    Returns:
        Dict of per-epoch lists: epoch_objective, epoch_accuracy, epoch_teacher_share.

    Raises:
        Stopped: the checkpoint was asked to stop.
    """
    print(spec)
    model, to_input = set_mode(model.to(device), spec.batch_norm), Input(model).to(device)
    labels = torch.as_tensor(np.asarray(labels), dtype=torch.long, device=device)
    optimizer = torch.optim.SGD(model.parameters(), lr=spec.lr, momentum=spec.momentum, weight_decay=spec.weight_decay)
    torch.manual_seed(spec.seed)  # dropout and stochastic depth, where a student has them
    generator = np.random.default_rng(spec.seed)
    progress = Progress(model, optimizer, generator, device)
    checkpoint.resume(progress)
    while progress.epoch < spec.epochs:
        view = progress.epoch % len(views)
        target, from_teacher = _target(spec, view, student_logits, teacher_logits, labels)
        batches = np.array_split(generator.permutation(len(labels)), -(-len(labels) // spec.batch_size))
        for batch in tqdm(batches[progress.step :], desc=f"epoch {progress.epoch + 1}/{spec.epochs}", mininterval=2):
            logits = model(to_input(torch.from_numpy(views[view][batch])))  # [batch, classes]
            here = torch.from_numpy(batch).to(device)
            goal = None if target is None else target[here]
            loss = objective(logits, goal, labels[here], spec.label_weight, spec.temperature)  # [batch]
            optimizer.zero_grad()
            loss.mean().backward()
            optimizer.step()
            progress.add(loss.detach().double().sum(), (logits.detach().argmax(dim=1) == labels[here]).sum())
            checkpoint.step(progress)
        progress.end_epoch(
            epoch_objective=float(progress.losses) / len(labels),
            epoch_accuracy=float(progress.right) / len(labels),
            epoch_teacher_share=float(from_teacher.float().mean()),
        )
        checkpoint.step(progress)
    model.eval()
    return progress.history


def set_mode(model, batch_norm):
    """Put a student into training mode, with its batch-norm statistics kept as they are unless `train`."""
    model.train()
    if batch_norm == "frozen":
        for module in model.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
    return model


def _target(spec, view, student_logits, teacher_logits, labels):
    """Target logits of one view and whether the teacher set them, on the device of `labels`."""

    def answers(logits):
        return None if logits is None else torch.from_numpy(np.array(logits[view])).to(labels.device).float()

    if spec.target is None:
        return None, torch.zeros(len(labels))
    return choose_target(spec.target, spec.confidence, answers(teacher_logits), answers(student_logits), labels)


def measure_transfer(before, after, teacher):
    """Measure a transfer on the evaluation images, sample by sample (paper sections 1.7 to 1.9).

    Args:
        before: bool [images], the student is right before the transfer.
        after: bool [images], the student is right after it.
        teacher: bool [images], the teacher is right; None for the controls.

    Returns:
        Dict of the measures in the transfers table; NaN where a measure needs a teacher or a flip.
    """
    images = len(before)
    gain, loss = (~before & after).sum() / images, (before & ~after).sum() / images
    positive, moved = np.nan, np.nan
    if teacher is not None:
        positive, moved = (~before & teacher).sum() / images, (~before & teacher & after).sum() / images
    return {
        "accuracy_before": before.mean(),
        "accuracy_after": after.mean(),
        "delta": gain - loss,
        "delta_standard_error": paired_standard_error(gain, loss, images),
        "gain": gain,
        "loss": loss,
        "positive_flips": positive,
        "transferred_flips": moved,
        "transfer_rate": moved / positive if positive else np.nan,
        "images": images,
    }


@dataclass(frozen=True)
class Student:
    """What all transfers to one student share; loaded once per process.

    `build` makes a fresh pretrained copy; `views`, `labels` and `logits` are those of the transfer images,
    `evaluation_pixels` and `correct` (right before any transfer) those of the evaluation images.
    """

    build: Callable[[], torch.nn.Module]
    views: list[np.ndarray]
    labels: np.ndarray
    logits: np.ndarray
    evaluation_pixels: np.ndarray
    evaluation_labels: np.ndarray
    correct: np.ndarray
    batch_size: int


def run_transfer(spec, student, teacher_logits, teacher_correct, device, checkpoint=NO_CHECKPOINT):
    """Transfer to a fresh copy of the student and measure what it gained and lost.

    Args:
        spec: the transfer.
        student: the student's data.
        teacher_logits: as in `transfer_knowledge`.
        teacher_correct: bool [evaluation images]; None for the controls.
        device: where to train.
        checkpoint: where the transfer goes on from, and is kept.

    Returns:
        Dict with one row of the transfers table.

    Raises:
        Stopped: the checkpoint was asked to stop.
    """
    if checkpoint.row is not None:
        return checkpoint.row
    model = student.build()
    history = transfer_knowledge(
        spec, model, student.views, student.labels, student.logits, teacher_logits, device, checkpoint
    )
    prediction = infer(model, student.evaluation_pixels, student.batch_size, device).argmax(dim=1).numpy()
    after = prediction == student.evaluation_labels
    identity = {"method": spec.method, "student": spec.student, "teacher": spec.teacher, "seed": spec.seed}
    row = {**identity, **measure_transfer(student.correct, after, teacher_correct), **history}
    checkpoint.finish(row)
    return row
