"""Expected deltas of pairs, from the transfers done so far: a linear model whose measurement errors are known.

    delta_ij = x_ij b + student_i + teacher_j + pair_ij + error_ij

b are few coefficients, student, teacher and pair are normal with variances that the transfers say (restricted maximum
likelihood), and error has the standard error that each transfer was measured with. So a delta is trusted as far as it
was measured, and shrunk towards what its properties, its student and its teacher say (a meta-regression; the
prediction is the best linear unbiased one, as in kriging).
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

FEATURES = ("positive_flips", "accuracy_difference", "student_accuracy")
FEWEST_PER_COEFFICIENT = 3


class DeltaModel:
    """The model, fitted; fractions in and out."""

    def __init__(self, rows):
        """Fit it.

        Args:
            rows: of `properties.describe_transfers`, of one method: student, teacher, delta, delta_standard_error
                (fractions) and FEATURES. Where there are too few for its coefficients, no feature is used.
        """
        self.rows = rows.reset_index(drop=True)
        varying = [name for name in FEATURES if rows[name].std() > 0]
        enough = len(rows) >= FEWEST_PER_COEFFICIENT * (len(varying) + 1) and rows["student"].nunique() > len(varying)
        self.features = varying if enough else []
        self.mean, self.spread = rows[self.features].mean(), rows[self.features].std()
        design, delta = self._design(self.rows), self.rows["delta"].to_numpy()
        # a transfer that changed no image has an error of zero, and would be trusted for ever
        error = np.maximum(self.rows["delta_standard_error"].to_numpy(), 1e-5)
        begin = np.log(np.full(3, max(delta.std(), error.mean()) / 2))
        found = minimize(
            lambda logarithms: _solve(self.rows, design, delta, error, np.exp(logarithms)).deviance,
            begin,
            method="L-BFGS-B",
            bounds=[(-14, 0)] * 3,
        )
        self.deviations = np.exp(found.x)  # of students, teachers and pairs
        self.solution = _solve(self.rows, design, delta, error, self.deviations)

    def predict(self, rows):
        """Expected delta of pairs and its standard error, each [pairs]; of a new transfer without measurement error.

        Args:
            rows: DataFrame with student, teacher and the features.
        """
        design, fitted = self._design(rows), self.solution
        shared = _covariance(rows, self.rows, self.deviations)  # [pairs, transfers]
        expected = design @ fitted.coefficients + shared @ fitted.weighted_residual
        # what the transfers leave open: of the pair, and of the coefficients
        unexplained = (self.deviations**2).sum() - np.einsum("pt,tp->p", shared, cho_solve(fitted.factor, shared.T))
        leverage = design - shared @ fitted.weighted_design
        variance = unexplained + np.einsum("pf,fp->p", leverage, np.linalg.pinv(fitted.information) @ leverage.T)
        return expected, np.sqrt(np.maximum(variance, 0))

    def _design(self, rows):
        """The intercept and the standardised features, [pairs, coefficients]."""
        scaled = ((rows[self.features] - self.mean) / self.spread).to_numpy()
        return np.column_stack([np.ones(len(rows)), scaled])


@dataclass(frozen=True)
class _Solution:
    """Generalised least squares at given variances; `deviance` is minus twice the restricted log-likelihood."""

    factor: tuple
    weighted_design: np.ndarray
    information: np.ndarray
    coefficients: np.ndarray
    weighted_residual: np.ndarray
    deviance: float


def _solve(rows, design, delta, error, deviations):
    factor = cho_factor(_covariance(rows, rows, deviations) + np.diag(error**2))
    weighted_design = cho_solve(factor, design)
    information = design.T @ weighted_design
    coefficients = np.linalg.pinv(information) @ (weighted_design.T @ delta)
    residual = delta - design @ coefficients
    weighted_residual = cho_solve(factor, residual)
    logarithms = 2 * np.log(np.diag(factor[0])).sum() + np.linalg.slogdet(information)[1]
    deviance = logarithms + residual @ weighted_residual
    return _Solution(factor, weighted_design, information, coefficients, weighted_residual, deviance)


def _covariance(rows, others, deviations):
    """Covariance of the true deltas of `rows` with those of `others`."""
    same_student = rows["student"].to_numpy()[:, None] == others["student"].to_numpy()
    same_teacher = rows["teacher"].to_numpy()[:, None] == others["teacher"].to_numpy()
    of_student, of_teacher, of_pair = deviations**2
    return of_student * same_student + of_teacher * same_teacher + of_pair * (same_student & same_teacher)
