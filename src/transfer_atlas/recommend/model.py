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
Z_95 = 1.959963984540054


@dataclass(frozen=True)
class DeltaModel:
    """A fitted model; fractions in and out.

    Attributes:
        rows: the transfers that it was fitted on.
        features: names of the properties used; none where there are too few transfers for them.
        centre: mean and standard deviation of each.
        deviations: standard deviations of students, teachers and pairs.
        coefficients: intercept, then one per feature, per standard deviation of it.
    """

    rows: object
    features: tuple
    centre: tuple
    deviations: np.ndarray
    coefficients: np.ndarray
    _solve: object
    _design: np.ndarray

    def predict(self, rows):
        """Expected delta of pairs and its standard error, each [pairs]; of a new transfer without measurement error.

        Args:
            rows: DataFrame with student, teacher and the features.
        """
        design = _design_of(rows, self.features, self.centre)
        shared = _covariance(rows, self.rows, self.deviations)  # [pairs, transfers]
        residual = self.rows["delta"].to_numpy() - self._design @ self.coefficients
        expected = design @ self.coefficients + shared @ self._solve(residual)
        # what the transfers leave open: of the pair, and of the coefficients
        unexplained = (self.deviations**2).sum() - np.einsum("pt,tp->p", shared, self._solve(shared.T))
        leverage = design - shared @ self._solve(self._design)
        information = self._design.T @ self._solve(self._design)
        variance = unexplained + np.einsum("pf,fp->p", leverage, np.linalg.pinv(information) @ leverage.T)
        return expected, np.sqrt(np.maximum(variance, 0))


def fit_deltas(rows):
    """Fit the model.

    Args:
        rows: of `properties.describe_transfers`, of one method: student, teacher, delta, delta_standard_error (fractions)
            and FEATURES.
    """
    rows = rows.reset_index(drop=True)
    varying = [name for name in FEATURES if rows[name].std() > 0]
    enough = len(rows) >= FEWEST_PER_COEFFICIENT * (len(varying) + 1) and rows["student"].nunique() > len(varying)
    features = tuple(varying) if enough else ()
    centre = tuple((rows[name].mean(), rows[name].std()) for name in features)
    design, delta = _design_of(rows, features, centre), rows["delta"].to_numpy()
    # a transfer that changed no image has an error of zero, and would be trusted for ever
    error = np.maximum(rows["delta_standard_error"].to_numpy(), 1e-5)
    scale = max(delta.std(), error.mean())
    begin = np.log(np.full(3, scale / 2))
    found = minimize(_deviance, begin, args=(rows, design, delta, error), method="L-BFGS-B", bounds=[(-14, 0)] * 3)
    deviations = np.exp(found.x)
    solve = _solver(rows, deviations, error)
    coefficients = np.linalg.pinv(design.T @ solve(design)) @ design.T @ solve(delta)
    return DeltaModel(rows, features, centre, deviations, coefficients, solve, design)


def _design_of(rows, features, centre):
    columns = [(rows[name] - mean) / deviation for name, (mean, deviation) in zip(features, centre, strict=True)]
    return np.stack([np.ones(len(rows)), *columns], axis=1)


def _covariance(rows, others, deviations):
    """Covariance of the true deltas of `rows` with those of `others`."""
    same_student = rows["student"].to_numpy()[:, None] == others["student"].to_numpy()
    same_teacher = rows["teacher"].to_numpy()[:, None] == others["teacher"].to_numpy()
    of_student, of_teacher, of_pair = deviations**2
    return of_student * same_student + of_teacher * same_teacher + of_pair * (same_student & same_teacher)


def _solver(rows, deviations, error):
    factor = cho_factor(_covariance(rows, rows, deviations) + np.diag(error**2))
    return lambda right: cho_solve(factor, right)


def _deviance(log_deviations, rows, design, delta, error):
    """Minus twice the restricted log-likelihood, up to a constant."""
    covariance = _covariance(rows, rows, np.exp(log_deviations)) + np.diag(error**2)
    factor = cho_factor(covariance)
    whitened = cho_solve(factor, design)
    information = design.T @ whitened
    coefficients = np.linalg.pinv(information) @ (whitened.T @ delta)
    residual = delta - design @ coefficients
    logarithms = 2 * np.log(np.diag(factor[0])).sum() + np.linalg.slogdet(information)[1]
    return logarithms + residual @ cho_solve(factor, residual)
