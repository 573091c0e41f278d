"""How much two networks agree beyond right and wrong, from their stored logits."""

from functools import cache

import numpy as np
import pandas as pd
from scipy.special import entr, softmax

from transfer_atlas.logits.storage import open_logits

CHUNK = 4096  # images whose softmaxes are in memory at once


def compare_outputs(pairs, transfer_logits, evaluation_logits):
    """The output_similarity table.

    Args:
        pairs: DataFrame with student and teacher; both measures are symmetric.
        transfer_logits: dict of model to the file of its logits of the transfer images, of which view 0 is read.
        evaluation_logits: the same of the evaluation images.

    Returns:
        DataFrame with student, teacher (NaN in the measures where a model is excluded), output_agreement (linear CKA of the softmaxes, Kornblith et al. 2019; 0 to 1, no
        labels used) and js_divergence (mean Jensen-Shannon divergence of the softmaxes, nats, 0 to ln 2).
    """
    spread_of = cache(lambda model: np.linalg.norm(_cross_covariance(*[transfer_logits[model]] * 2)))
    measured = {}
    excluded = {model for model, path in evaluation_logits.items() if not open_logits(path).shape[1]}
    for pair in {tuple(sorted(pair)) for pair in zip(pairs["student"], pairs["teacher"], strict=True)}:
        if excluded & set(pair):
            measured[pair] = np.nan, np.nan
            continue
        shared = np.linalg.norm(_cross_covariance(*(transfer_logits[model] for model in pair))) ** 2
        spreads = spread_of(pair[0]) * spread_of(pair[1])
        agreement = shared / spreads if spreads else np.nan
        measured[pair] = agreement, _js_divergence(*(evaluation_logits[model] for model in pair))
    rows = [measured[tuple(sorted(pair))] for pair in zip(pairs["student"], pairs["teacher"], strict=True)]
    columns = pd.DataFrame(rows, columns=["output_agreement", "js_divergence"], index=pairs.index)
    return pd.concat([pairs[["student", "teacher"]], columns], axis=1)


def _softmaxes(*paths):
    """Yield the softmaxes of the same images by each network, float64 [images, classes], in parts."""
    logits = [open_logits(path) for path in paths]
    images = logits[0].shape[1]
    for first in range(0, images, CHUNK):
        rows = np.arange(first, min(first + CHUNK, images))
        yield [softmax(of_model[0, rows].astype(np.float64), axis=1) for of_model in logits]


def _cross_covariance(*paths):
    """Sum over images of the products of two networks' softmaxes less their means, [classes, classes]."""
    images, products, sums = 0, 0.0, [0.0, 0.0]
    for one, other in _softmaxes(*paths):
        images, products = images + len(one), products + one.T @ other
        sums = [sums[0] + one.sum(axis=0), sums[1] + other.sum(axis=0)]
    return products - np.outer(*sums) / images


def _js_divergence(*paths):
    total, images = 0.0, 0
    for one, other in _softmaxes(*paths):
        of_mean, of_each = entr((one + other) / 2).sum(), (entr(one).sum() + entr(other).sum()) / 2
        total, images = total + of_mean - of_each, images + len(one)
    return max(0.0, total / images)
