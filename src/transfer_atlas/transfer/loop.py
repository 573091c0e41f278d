"""The loop that every kind of transfer runs: epochs, steps, checkpoints."""

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
from transfer_atlas.transfer.weights import SlowWeights


def train_epochs(spec, model, labels, views, learn, device, checkpoint=None, evaluate=None, best=None):
    """Train a network in place, step by step.

    Args:
        spec: the transfer.
        model: the network, or several in one module.
        labels: int [transfer images].
        views: number of views; epoch e trains on view (spec.first_view + e) mod views.
        learn: function of view, rows of the images and their labels to (objectives, logits, from_teacher): what is
            minimised of each image before the mean, what the student answers, and the teacher's part in its target, 0 to 1.
        device: where to train.
        checkpoint: where the training goes on from, and is kept; None for nowhere.
        evaluate: function of `model` in eval mode and the epochs done to a dict of measures, called after every epoch;
            None for no such measures.
        best: what `evaluate` remembers of earlier epochs, a BestEpoch that the checkpoint keeps; or None.

    Returns:
        Dict of per-epoch lists: epoch_objective, epoch_accuracy, epoch_teacher_share, and those of `evaluate`.

    Raises:
        Stopped: the checkpoint was asked to stop.
        InputError: the objective is no longer finite.
    """
    checkpoint, model = checkpoint or NoCheckpoint(), set_mode(model.to(device), spec.batch_norm)
    labels = torch.tensor(np.asarray(labels), dtype=torch.long, device=device)
    progress = _begin(spec, model, device, best)
    checkpoint.resume(progress)
    images, _ = images_of(spec, labels.cpu().numpy())
    steps_per_epoch = -(-len(images) // spec.batch_size)
    while progress.epoch < spec.epochs:
        view = (spec.first_view + progress.epoch) % views
        batches = np.array_split(images[progress.generator.permutation(len(images))], steps_per_epoch)
        for batch in tqdm(batches[progress.step :], desc=f"epoch {progress.epoch + 1}/{spec.epochs}", mininterval=2):
            here = labels[torch.from_numpy(batch).to(device)]
            objectives, logits, from_teacher = learn(view, batch, here)
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


def images_of(spec, labels):
    """Rows of the transfer images that a transfer learns from, and of those that its best epoch is chosen on.

    Args:
        spec: the transfer.
        labels: int [transfer images].
    """
    apart = nested_subset(labels, spec.select_share) if spec.select_share else np.empty(0, np.int64)
    others = np.setdiff1d(np.arange(len(labels)), apart)
    return others[nested_subset(labels[others], spec.image_share)], apart


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


def _begin(spec, model, device, best):
    """What training changes, before its first step."""
    print(spec)
    decay = {"lr": spec.lr, "weight_decay": spec.weight_decay}
    if spec.optimizer == "adam":
        optimizer = torch.optim.Adam(model.parameters(), **decay)
    else:
        optimizer = torch.optim.SGD(model.parameters(), momentum=spec.momentum, **decay)
    torch.manual_seed(spec.seed)  # dropout and stochastic depth, where a student has them
    slow = SlowWeights(model, **spec.slow_weights) if spec.slow_weights else None
    return Progress(model, optimizer, np.random.default_rng(spec.seed), device, slow, best)


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


def set_mode(model, batch_norm):
    """Put a student into training mode, with its batch-norm statistics kept as they are unless `train`."""
    model.train()
    if batch_norm == "frozen":
        for module in model.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
    return model


def _end_epoch(progress, images, spec, evaluate):
    """Keep the means of an epoch over its images, if they are numbers, and what is measured after it."""
    if not math.isfinite(progress.objectives):
        raise InputError(
            f"diverged: the objective is not finite in epoch {progress.epoch + 1}; a smaller lr or clip_gradient may help"
        )
    measures = {}
    if evaluate is not None:
        measures = evaluate(_result(progress), progress.epoch + 1)
        set_mode(progress.model, spec.batch_norm)
    if progress.slow is not None and progress.slow.reset:
        progress.model.load_state_dict(progress.slow.state)
    progress.end_epoch(
        epoch_objective=float(progress.objectives) / images,
        epoch_accuracy=float(progress.right) / images,
        epoch_teacher_share=float(progress.taught) / images,
        **measures,
    )
