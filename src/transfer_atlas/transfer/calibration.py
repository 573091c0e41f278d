"""Temperatures that calibrate stored logits, so that the confidences of two models can be compared."""

import math

import numpy as np
import torch
from torch.nn import functional

from transfer_atlas.transfer.subsets import nested_subset

CALIBRATION_IMAGES = 10_000


def calibration_temperatures(spec, labels, *logits):
    """Temperatures by which stored logits are divided before their confidences are compared.

    Args:
        spec: the TransferSpec; without `calibrate` every temperature is 1.
        labels: int [transfer images].
        logits: stored logits of several models, [views, images, classes].

    Returns:
        A float for each model, fitted on view 0 of at most CALIBRATION_IMAGES images.
    """
    if not spec.calibrate:
        return (1.0,) * len(logits)
    labels = np.asarray(labels)
    rows = nested_subset(labels, min(1.0, CALIBRATION_IMAGES / len(labels)))
    return tuple(fit_temperature(np.array(of_model[0, rows]), labels[rows]) for of_model in logits)


def fit_temperature(logits, labels):
    """The temperature that makes the softmax of logits most likely (temperature scaling, Guo et al. 2017).

    Args:
        logits: [images, classes].
        labels: int [images].

    Returns:
        float, 0.05 to 20.
    """
    from scipy.optimize import minimize_scalar  # a moment that most transfers need not pay

    logits, labels = torch.as_tensor(logits).double(), torch.as_tensor(labels).long()

    def mean_nats(log_temperature):
        return functional.cross_entropy(logits / math.exp(log_temperature), labels).item()

    return math.exp(minimize_scalar(mean_nats, bounds=(math.log(0.05), math.log(20)), method="bounded").x)
