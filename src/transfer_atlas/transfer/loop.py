"""One transfer: a student learns from answers that are already on disk."""

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm
from tqdm import tqdm

from transfer_atlas.checkpoint import NoCheckpoint, Progress
from transfer_atlas.errors import InputError
from transfer_atlas.transfer.objectives import choose_target, objective, shuffled_rows
from transfer_atlas.zoo.build import Input


@dataclass(frozen=True)
class TransferSpec:
    """Everything that one transfer depends on; fields as in config/README.md, formula in docs/method.md.

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
    schedule: str = "constant"
    warmup_epochs: float = 0
    clip_gradient: float = 0
    target: str | None = None
    confidence: str | None = None
    label_weight: float = 0.0
    label_smoothing: float = 0.0
    temperature: float = 1.0
    top_k: int = 0
    slow_weights: dict | None = None
    image_share: float = 1.0
    evaluate_epochs: bool = False
    first_view: int = 0

    def __str__(self):
        """The formula of the objective, for the log."""
        parts = []
        if self.target:
            chosen = f"{self.target}({self.confidence})" if self.confidence else self.target
            among = f" among its {self.top_k} first classes" if self.top_k else ""
            parts.append(f"{1 - self.label_weight:g} T^2 KL({chosen} || student){among}, T = {self.temperature:g}")
        if self.label_weight:
            smoothed = f", smoothing {self.label_smoothing:g}" if self.label_smoothing else ""
            parts.append(f"{self.label_weight:g} cross-entropy(labels{smoothed})")
        if self.slow_weights:
            parts.append("slow weights: tau {tau:g} every {every_images} images".format(**self.slow_weights))
        return f"{self.method} {self.teacher or 'no teacher'} -> {self.student}, seed {self.seed}: {' + '.join(parts)}"


def transfer_knowledge(
    spec, model, views, labels, student_logits, teacher_logits, device, checkpoint=None, evaluate=None
):
    """Train the student in place; one forward and one backward pass of the student per step, nothing else.

    Args:
        spec: the transfer.
        model: the pretrained student.
        views: Views of the transfer images; epoch e trains on view (spec.first_view + e) mod len(views).
        labels: int [images].
        student_logits: answers of the frozen student to all views, [views, images, classes].
        teacher_logits: answers of the teacher to all views, [views, images, classes]; None for the controls.
        device: where to train.
        checkpoint: where the training goes on from, and is kept; None for nowhere.
        evaluate: function of the student in eval mode to a dict of measures, called after every epoch but the last
            (whose result is the transfer's); None for no such measures.

    Returns:
        Dict of per-epoch lists: epoch_objective, epoch_accuracy, epoch_teacher_share, and those of `evaluate`.

    Raises:
        Stopped: the checkpoint was asked to stop.
        InputError: the objective is no longer finite.
    """
    checkpoint = checkpoint or NoCheckpoint()
    model, to_input = set_mode(model.to(device), spec.batch_norm), Input(model).to(device)
    labels = torch.tensor(np.asarray(labels), dtype=torch.long, device=device)
    progress = _begin(spec, model, device)
    checkpoint.resume(progress)
    images = nested_subset(labels.cpu().numpy(), spec.image_share)
    steps_per_epoch = -(-len(images) // spec.batch_size)
    while progress.epoch < spec.epochs:
        view = (spec.first_view + progress.epoch) % len(views)
        batches = np.array_split(images[progress.generator.permutation(len(images))], steps_per_epoch)
        for batch in tqdm(batches[progress.step :], desc=f"epoch {progress.epoch + 1}/{spec.epochs}", mininterval=2):
            here = labels[torch.from_numpy(batch).to(device)]
            target, from_teacher = _target(spec, view, batch, student_logits, teacher_logits, here)
            logits = model(to_input(views.batch(view, batch, device)))  # [batch, classes]
            objectives = _objective(spec, logits, target, here)  # [batch]
            _step(progress, objectives.mean(), spec, progress.epoch + progress.step / steps_per_epoch, len(batch))
            right = (logits.detach().argmax(dim=1) == here).sum()
            progress.add(objectives.detach().double().sum(), right, from_teacher.sum())
            checkpoint.step(progress)
        _end_epoch(progress, len(images), spec, evaluate)
        checkpoint.step(progress)
    if progress.slow is not None:
        model.load_state_dict(progress.slow.state)
    model.eval()
    return progress.history


def nested_subset(labels, share):
    """Images of a share of the transfer images, stratified by class; every share holds the smaller ones.

    Args:
        labels: int [images].
        share: above 0, at most 1.

    Returns:
        int [share * images, rounded, at least 1], rising: the same whatever the transfer's seed.
    """
    drawn = np.random.default_rng(0).permutation(len(labels))
    place = np.empty(len(labels))  # of an image within its class, 0 to 1
    for label in np.unique(labels):
        of_class = drawn[labels[drawn] == label]
        place[of_class] = (np.arange(len(of_class)) + 0.5) / len(of_class)
    first = np.lexsort((drawn.argsort(), place))
    return np.sort(first[: max(1, round(share * len(labels)))])


def _result(progress):
    """The network that the transfer so far ends with, in eval mode; a copy where it is the slow average."""
    if progress.slow is None:
        return progress.model.eval()
    slow = copy.deepcopy(progress.model).eval()
    slow.load_state_dict(progress.slow.state)
    return slow


def _begin(spec, model, device):
    """What training changes, before its first step."""
    print(spec)
    optimizer = torch.optim.SGD(model.parameters(), lr=spec.lr, momentum=spec.momentum, weight_decay=spec.weight_decay)
    torch.manual_seed(spec.seed)  # dropout and stochastic depth, where a student has them
    slow = SlowWeights(model, **spec.slow_weights) if spec.slow_weights else None
    return Progress(model, optimizer, np.random.default_rng(spec.seed), device, slow)


def _objective(spec, logits, target, labels):
    return objective(logits, target, labels, spec.label_weight, spec.temperature, spec.label_smoothing, spec.top_k)


def _step(progress, mean_objective, spec, epochs_done, images):
    """One backward pass and one step of the optimizer; slow weights, where there are any, follow."""
    for group in progress.optimizer.param_groups:
        group["lr"] = learning_rate(spec, epochs_done)
    progress.optimizer.zero_grad()
    mean_objective.backward()
    if spec.clip_gradient:
        torch.nn.utils.clip_grad_norm_(progress.model.parameters(), spec.clip_gradient)
    progress.optimizer.step()
    if progress.slow is not None:
        progress.slow.follow(progress.model, images)


def learning_rate(spec, epochs_done):
    """Learning rate of a step; a function of what is done alone, so that a resumed transfer needs no state for it."""
    if epochs_done < spec.warmup_epochs:
        return spec.lr * epochs_done / spec.warmup_epochs
    if spec.schedule == "constant":
        return spec.lr
    falling = (epochs_done - spec.warmup_epochs) / (spec.epochs - spec.warmup_epochs)
    return spec.lr * (1 + math.cos(math.pi * falling)) / 2


def set_mode(model, batch_norm):
    """Put a student into training mode, with its batch-norm statistics kept as they are unless `train`."""
    model.train()
    if batch_norm == "frozen":
        for module in model.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
    return model


def _target(spec, view, rows, student_logits, teacher_logits, labels):
    """Target logits of some images in one view and whether the teacher set them, on the device of their `labels`."""
    if spec.target is None:
        return None, torch.zeros(len(labels))

    def answers(logits, rows):
        return None if logits is None else torch.from_numpy(np.array(logits[view, rows])).to(labels.device).float()

    own = shuffled_rows(student_logits.shape[1])[rows] if spec.target == "shuffled" else rows
    return choose_target(
        spec.target, spec.confidence, answers(student_logits, own), answers(teacher_logits, rows), labels
    )


def _end_epoch(progress, images, spec, evaluate):
    """Keep the means of an epoch over its images, if they are numbers, and what is measured after it."""
    if not math.isfinite(progress.objectives):
        raise InputError(
            f"diverged: the objective is not finite in epoch {progress.epoch + 1}; a smaller lr or clip_gradient may help"
        )
    measures = {}
    if evaluate is not None and progress.epoch + 1 < spec.epochs:
        measures = evaluate(_result(progress))
        set_mode(progress.model, spec.batch_norm)
    progress.end_epoch(
        epoch_objective=float(progress.objectives) / images,
        epoch_accuracy=float(progress.right) / images,
        epoch_teacher_share=float(progress.taught) / images,
        **measures,
    )


class SlowWeights:
    """A moving average of a network's weights and floating-point buffers (momentum weight interpolation, MCL).

    Integer buffers are copied, for they have no average.
    """

    def __init__(self, model, tau, every_images):
        """Start at the weights of `model`; every `every_images` images the average keeps a share `tau` of itself."""
        self.tau, self.every_images, self.images = tau, every_images, 0
        self.state = {name: value.detach().clone() for name, value in model.state_dict().items()}

    def follow(self, model, images):
        """Count one step of `images` images, and interpolate as often as that makes due."""
        due = (self.images + images) // self.every_images - self.images // self.every_images
        self.images += images
        if due:
            for name, value in model.state_dict().items():
                if value.is_floating_point():
                    self.state[name].lerp_(value.detach(), 1 - self.tau**due)
                else:
                    self.state[name].copy_(value)

    def state_dict(self):
        """The average and the images counted."""
        return {"state": self.state, "images": self.images}

    def load_state_dict(self, saved):
        """Go on from `saved`."""
        self.images = saved["images"]
        for name, value in saved["state"].items():
            self.state[name].copy_(value)
