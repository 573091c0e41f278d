"""The training loop that every kind of transfer runs: epochs, steps, checkpoints."""

import copy
import math

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm
from tqdm import tqdm

from transfer_atlas.errors import InputError
from transfer_atlas.store.checkpoint import NoCheckpoint
from transfer_atlas.transfer.progress import Progress
from transfer_atlas.transfer.spec import learning_rate
from transfer_atlas.transfer.subsets import images_of
from transfer_atlas.transfer.weights import SlowWeights


def train_epochs(spec, lesson, labels, device, checkpoint=None, evaluation=None):
    """Train the networks of a lesson in place.

    Args:
        spec: the TransferSpec.
        lesson: Lesson; epoch e uses view (spec.first_view + e) mod the number of views.
        labels: int [transfer images].
        device: where to train.
        checkpoint: Checkpoint that the training resumes from and saves to; None for none.
        evaluation: EpochEvaluation, called with the student in eval mode and the number of finished epochs after each
            epoch; returns a dict of measures. None for none.

    Returns:
        Dict of per-epoch lists: epoch_objective, epoch_accuracy, epoch_teacher_share, and the measures of `evaluation`.

    Raises:
        Stopped: the checkpoint was asked to stop.
        InputError: the loss is no longer finite.
    """
    checkpoint, lesson = checkpoint or NoCheckpoint(), set_mode(lesson.to(device), spec.batch_norm)
    labels = torch.tensor(np.asarray(labels), dtype=torch.long, device=device)
    progress = _begin(spec, lesson, device, evaluation)
    checkpoint.resume(progress)
    images, _ = images_of(spec, labels.cpu().numpy())
    steps_per_epoch = -(-len(images) // spec.batch_size)
    while progress.epoch < spec.epochs:
        view = (spec.first_view + progress.epoch) % len(lesson.views)
        batches = np.array_split(images[progress.generator.permutation(len(images))], steps_per_epoch)
        for rows in tqdm(batches[progress.step :], desc=f"epoch {progress.epoch + 1}/{spec.epochs}", mininterval=2):
            batch_labels = labels[torch.from_numpy(rows).to(device)]
            losses, logits, teacher_share = lesson(view, rows, batch_labels)
            _step(progress, losses.mean(), spec, progress.epoch + progress.step / steps_per_epoch, len(rows))
            correct = logits.detach().argmax(dim=1) == batch_labels
            progress.add(losses.detach().double().sum(), correct.sum(), teacher_share.sum())
            checkpoint.step(progress)
        _end_epoch(progress, len(images), spec)
        checkpoint.step(progress)
    if progress.slow is not None:
        lesson.load_state_dict(progress.slow.state)
    lesson.eval()
    return progress.history


def set_mode(model, batch_norm):
    """Put a network into training mode; its batch-norm statistics stay frozen unless `batch_norm` is `train`."""
    model.train()
    if batch_norm == "frozen":
        for module in model.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
    return model


def _begin(spec, lesson, device, evaluation):
    """The state of the training before its first step."""
    print(spec)
    # foreach: all parameters in one call, as torch does on a GPU anyway
    options = {"lr": spec.lr, "weight_decay": spec.weight_decay, "foreach": True}
    if spec.optimizer == "adam":
        optimizer = torch.optim.Adam(lesson.parameters(), **options)
    else:
        optimizer = torch.optim.SGD(lesson.parameters(), momentum=spec.momentum, **options)
    torch.manual_seed(spec.order_seed)  # dropout and stochastic depth, where a student has them
    slow = SlowWeights(lesson, **spec.slow_weights) if spec.slow_weights else None
    return Progress(lesson, optimizer, np.random.default_rng(spec.order_seed), device, slow, evaluation)


def _step(progress, mean_loss, spec, epochs_done, images):
    """One backward pass and one step of the optimizer; slow weights, where there are any, follow."""
    for group in progress.optimizer.param_groups:
        group["lr"] = learning_rate(spec, epochs_done)
    progress.optimizer.zero_grad()
    mean_loss.backward()
    if spec.clip_gradient:
        torch.nn.utils.clip_grad_norm_(progress.lesson.parameters(), spec.clip_gradient)
    progress.optimizer.step()
    if progress.slow is not None:
        progress.slow.follow(progress.lesson, images)


def _end_epoch(progress, images, spec):
    """Record the means of an epoch over its images and the measures of the evaluation."""
    if not math.isfinite(progress.loss):
        raise InputError(
            f"diverged: the loss is not finite in epoch {progress.epoch + 1}; a smaller lr or clip_gradient may help"
        )
    measures = {}
    if progress.evaluation is not None:
        measures = progress.evaluation(_student_so_far(progress), progress.epoch + 1)
        set_mode(progress.lesson, spec.batch_norm)
    if progress.slow is not None and progress.slow.reset:
        progress.lesson.load_state_dict(progress.slow.state)
    progress.end_epoch(
        epoch_objective=float(progress.loss) / images,
        epoch_accuracy=float(progress.correct) / images,
        epoch_teacher_share=float(progress.teacher_share) / images,
        **measures,
    )


def _student_so_far(progress):
    """The student with which the transfer would end now, in eval mode; a copy where it has slow weights."""
    student = progress.lesson.student
    if progress.slow is None:
        return student.eval()
    student = copy.deepcopy(student).eval()
    prefix = "student."
    slow = {name.removeprefix(prefix): value for name, value in progress.slow.state.items() if name.startswith(prefix)}
    student.load_state_dict(slow)
    return student
