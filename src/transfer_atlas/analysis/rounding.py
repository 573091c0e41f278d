"""Rounding error of deltas: another kind of processor sums in another order, which changes the result of some students."""

import numpy as np
from scipy.special import ndtr

from transfer_atlas.statistics import mcnemar_p, paired_standard_error


def rounding_errors(transfers):
    """Standard deviation of the delta of each student over starts from perturbed weights (`perturb_weights`).

    Args:
        transfers: rows of the transfer table.

    Returns:
        Series of fractions by student, of those that have a transfer with at least two seeds of such a method: the square
        root of the variance over seeds, pooled over methods and teachers by degrees of freedom.
    """
    perturbed = transfers[transfers["weight_perturbation"] > 0].dropna(subset=["delta"])
    repetitions = perturbed.groupby(["student", "method", "teacher"], dropna=False)["delta"]
    freedom = (repetitions.count() - 1).groupby("student").sum()
    squares = (repetitions.var(ddof=1) * (repetitions.count() - 1)).groupby("student").sum()
    return np.sqrt(squares[freedom > 0] / freedom[freedom > 0])


def p_of_change(gain, loss, images, rounding):
    """Two-sided p of gain against loss: exact McNemar; where there is rounding, at least the normal p with its error.

    Args:
        gain: Series, share of images wrong before and right after.
        loss: Series, share of images right before and wrong after.
        images: number of images.
        rounding: standard deviation of gain - loss that rounding makes, a fraction; NaN where it was not measured.
    """
    exact, rounding = mcnemar_p(gain, loss, images), np.nan_to_num(np.asarray(rounding, float))
    error = np.hypot(paired_standard_error(gain, loss, images), rounding)
    rough = 2 * ndtr(-np.abs(gain - loss) / np.where(error > 0, error, 1.0))
    return np.where(rounding > 0, np.maximum(exact, rough), exact)
