"""Expected deltas of pairs, from the transfers done so far: a linear model whose measurement errors are known.

    delta_ij = x_ij b + student_i + teacher_j + pair_ij + error_ij

b are few coefficients. Student, teacher and pair are normal; their variances are estimated by restricted maximum likelihood.
The covariances of the errors are known: the transfers of one student are evaluated on the same images and compared with the
same predictions before, so their errors are correlated. A delta is trusted as far as it was measured, and shrunk towards what
its properties, its student and its teacher say (a meta-regression; the prediction is the best linear unbiased one).

Intervals take into account that the variances are estimated: they average over all variances of a grid, weighted by their
restricted likelihood, with a flat prior on the standard deviations (Gelman 2006).
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

FEATURES = ("positive_flips", "accuracy_difference", "student_accuracy")
FEWEST_PER_COEFFICIENT = 3
SMALLEST_SPREAD = 1e-9  # of a feature; that of equal numbers is not exactly zero
SMALLEST_ERROR = 1e-5  # a transfer that changed no image would otherwise be trusted without limit
LARGEST_VARIANCE = 20.0  # in variances of the deltas
GRID = np.array([0, 0.15, 0.35, 0.65, 1.1, 1.8])  # standard deviations, in those of the deltas
MOST_FOR_GRID = 600  # transfers; with more the variances are known well, and the grid would take minutes


class DeltaModel:
    """The model, fitted; fractions in and out."""

    def __init__(self, rows, covariances=None):
        """Fit it.

        Args:
            rows: of `properties.describe_transfers`, of one method: student, teacher, delta, delta_standard_error
                (fractions) and FEATURES. Where there are too few for its coefficients, no feature is used.
            covariances: as in `error_matrix`.
        """
        self.rows = rows.reset_index(drop=True)
        varying = [name for name in FEATURES if rows[name].std() > SMALLEST_SPREAD]
        enough = len(rows) >= FEWEST_PER_COEFFICIENT * (len(varying) + 1) and rows["student"].nunique() > len(varying)
        self.features = varying if enough else []
        self.mean, self.spread = rows[self.features].mean(), rows[self.features].std()
        self.errors, self.delta = error_matrix(self.rows, covariances), self.rows["delta"].to_numpy()
        self.design, self.shared = self._design(self.rows), _shared(self.rows, self.rows)
        self.scale = max(self.delta.var(), np.diag(self.errors).mean())
        # over the variances themselves: their logarithms have a flat region at zero in which the search ends early
        found = minimize(
            lambda variances: self._solve(self.scale * variances).deviance,
            np.full(3, 1 / 3),
            method="L-BFGS-B",
            bounds=[(0, LARGEST_VARIANCE)] * 3,
        )
        self.variances = self.scale * found.x  # of students, teachers and pairs

    def expect(self, rows):
        """Expected delta of pairs at the estimated variances, [pairs]; `rows` as in `predict`."""
        return self._predict(self._design(rows), _shared(rows, self.rows), self.variances)[0]

    def predict(self, rows):
        """Expected delta of pairs and its standard error, each [pairs]; of a new transfer without measurement error.

        Args:
            rows: DataFrame with student, teacher and the features.
        """
        design, shared = self._design(rows), _shared(rows, self.rows)
        if len(self.rows) > MOST_FOR_GRID:
            expected, variance, _ = self._predict(design, shared, self.variances)
            return expected, np.sqrt(variance)
        widths = np.gradient(GRID)
        points = list(product(range(len(GRID)), repeat=3))
        found = [self._predict(design, shared, self.scale * GRID[list(point)] ** 2) for point in points]
        expected, variance, deviance = (np.array(values) for values in zip(*found, strict=True))
        logarithms = np.log([widths[list(point)].prod() for point in points]) - deviance / 2
        weight = np.exp(logarithms - logarithms.max())
        weight /= weight.sum()
        mean = weight @ expected
        return mean, np.sqrt(np.maximum(weight @ (variance + expected**2) - mean**2, 0))

    def _predict(self, design, shared, variances):
        """Expected delta and its variance at given variances, each [pairs], and the deviance of these."""
        fitted = self._solve(variances)
        shared = np.tensordot(variances, shared, axes=1)  # [pairs, transfers]
        expected = design @ fitted.coefficients + shared @ fitted.weighted_residual
        # what the transfers leave open: of the pair, and of the coefficients
        unexplained = variances.sum() - np.einsum("pt,tp->p", shared, cho_solve(fitted.factor, shared.T))
        leverage = design - shared @ fitted.weighted_design
        variance = unexplained + np.einsum("pf,fp->p", leverage, np.linalg.pinv(fitted.information) @ leverage.T)
        return expected, np.maximum(variance, 0), fitted.deviance

    def _solve(self, variances):
        """Generalised least squares of the transfers at given variances."""
        design, delta = self.design, self.delta
        factor = cho_factor(np.tensordot(variances, self.shared, axes=1) + self.errors)
        weighted_design = cho_solve(factor, design)
        information = design.T @ weighted_design
        coefficients = np.linalg.pinv(information) @ (weighted_design.T @ delta)
        residual = delta - design @ coefficients
        weighted_residual = cho_solve(factor, residual)
        logarithms = 2 * np.log(np.diag(factor[0])).sum() + np.linalg.slogdet(information)[1]
        deviance = logarithms + residual @ weighted_residual
        return _Solution(factor, weighted_design, information, coefficients, weighted_residual, deviance)

    def _design(self, rows):
        """The intercept and the standardised features, [pairs, coefficients]."""
        scaled = ((rows[self.features] - self.mean) / self.spread).to_numpy()
        return np.column_stack([np.ones(len(rows)), scaled])


def error_matrix(rows, covariances=None):
    """Covariance of the measurement errors of transfers, [transfers, transfers].

    Args:
        rows: transfers of one method with student, teacher and delta_standard_error.
        covariances: the delta_covariances table of the method; None where errors count as independent.
    """
    errors = np.diag(np.maximum(rows["delta_standard_error"].to_numpy(), SMALLEST_ERROR) ** 2)
    if covariances is None or covariances.empty:
        return errors
    place = pd.MultiIndex.from_frame(rows[["student", "teacher"]])
    one, two = (
        place.get_indexer(pd.MultiIndex.from_arrays([covariances["student"], covariances[column]]))
        for column in ("teacher", "other")
    )
    known = (one >= 0) & (two >= 0) & (one != two)
    errors[one[known], two[known]] = covariances["covariance"].to_numpy()[known]
    return errors + SMALLEST_ERROR**2 * np.eye(len(rows))  # positive definite, also where two teachers did the same


@dataclass(frozen=True)
class _Solution:
    """Generalised least squares at given variances; `deviance` is minus twice the restricted log-likelihood."""

    factor: tuple
    weighted_design: np.ndarray
    information: np.ndarray
    coefficients: np.ndarray
    weighted_residual: np.ndarray
    deviance: float


def _shared(rows, others):
    """What pairs share with transfers, float [student, teacher and pair; pairs; transfers]: 1 or 0.

    Weighted by the variances of students, teachers and pairs, their sum is the covariance of the true deltas.
    """
    same = [
        pd.Index(others[name]).unique().get_indexer(rows[name])[:, None]
        == pd.Index(others[name]).unique().get_indexer(others[name])
        for name in ("student", "teacher")
    ]
    return np.stack([*same, same[0] & same[1]]).astype(float)
