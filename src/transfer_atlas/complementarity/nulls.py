"""Difficulty null: the flips of two models that err independently of each other, given how difficult each image is.

The Rasch model: a model of ability a is right on an image of easiness b with probability 1 / (1 + exp(-a - b)). Easiness is
a random quantity of the images; its distribution is estimated without a form, as shares of the images at fixed points
(nonparametric marginal maximum likelihood, by expectation maximisation). How many models are right on an image is all that
the other models say of it (Rasch 1960; de Leeuw and Verhelst 1986), so the fit needs counts of images only.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit, prange
from scipy.special import expit, logit, stdtrit

EASINESS = np.linspace(-12, 12, 61)  # points of the distribution, in logits
FEWEST_MODELS = 6  # below, the other models say too little about the distribution
LEFT_OUT_MODELS = 40  # up to this number the distribution that a pair is judged by comes from the other models alone
ITERATIONS = 200
REFINEMENTS = 60  # iterations that start at the fit of all models
PAIRS_AT_ONCE = 64


@dataclass(frozen=True)
class DifficultyNull:
    """Flips under the null; NaN for a model that is always or never right, or a small zoo.

    Attributes:
        freedom: degrees of freedom of Student's t, informative models - 1.
        expect: function of two slices of models, the earlier and the later ones of the pairs, that returns (expected, error),
            float [earlier models, later models]: expected positive flips with the earlier model as the student, and the
            standard deviation of positive flips less the expected ones, where the null holds; shares of the images.
    """

    freedom: int
    expect: Callable

    @property
    def quantile(self):
        """Half of the 95 % interval in units of the error."""
        return stdtrit(self.freedom, 0.975)


def difficulty_null(zoo, predicted):
    """The null of all pairs of a zoo.

    Args:
        zoo: packed_zoo.PackedZoo.
        predicted: ZooPredictions of it.

    Returns:
        DifficultyNull; up to LEFT_OUT_MODELS models a pair takes no part in the fit that it is judged by.
    """
    models = len(zoo.models)
    informative = np.flatnonzero((zoo.right > 0) & (zoo.right < zoo.images))
    freedom = max(1, len(informative) - 1)
    if len(informative) > LEFT_OUT_MODELS:
        right_models = zoo.right_models - (zoo.right == zoo.images).sum()
        return DifficultyNull(freedom, _null_of_all(right_models, zoo.right / zoo.images, informative))
    expected, error = (np.full((models, models), np.nan) for _ in range(2))
    if len(informative) >= FEWEST_MODELS:
        chosen = predicted.prediction[informative] == predicted.labels
        expected[np.ix_(informative, informative)], error[np.ix_(informative, informative)] = _null_of_others(chosen)
    return DifficultyNull(freedom, lambda rows, others: (expected[rows, others], error[rows, others]))


def fit_easiness(score_counts, accuracies, iterations=ITERATIONS, start=None):
    """Estimate the distribution of easiness and the abilities; every entry of the leading dimensions is fitted by itself.

    Args:
        score_counts: int [..., models + 1], images by how many models are right on them.
        accuracies: float [..., models], neither 0 nor 1.
        iterations: of expectation maximisation.
        start: (shares, abilities) to start from, as returned; None for a normal distribution.

    Returns:
        (shares [..., points], abilities [..., models]): share of the images at each point of EASINESS.
    """
    if start is None:
        normal = np.exp(-((EASINESS / 3) ** 2))
        start = np.broadcast_to(normal / normal.sum(), (*accuracies.shape[:-1], len(EASINESS))), logit(accuracies)
    shares, abilities = start
    of_scores = score_counts / score_counts.sum(axis=-1, keepdims=True)
    for _ in range(iterations):
        posterior = _easiness_of_scores(shares, abilities)
        shares = (of_scores[..., None, :] @ posterior)[..., 0, :]
        abilities = fit_abilities(shares, accuracies, abilities, steps=1)
    return shares, fit_abilities(shares, accuracies, abilities)


def fit_abilities(shares, accuracies, abilities, steps=50):
    """Newton's method for the abilities [..., models] that give these accuracies, from the given ones."""
    for _ in range(steps):
        right = expit(abilities[..., None] + EASINESS)  # [..., models, points]
        excess = (right @ shares[..., None])[..., 0] - accuracies
        slope = ((right * (1 - right)) @ shares[..., None])[..., 0]
        step = np.clip(excess / slope, -1, 1)
        abilities = abilities - step
        if np.abs(step).max() < 1e-10:
            break
    return abilities


def _easiness_of_scores(shares, abilities):
    """Posterior over EASINESS by the number of models that are right, [..., models + 1, points]."""
    scores = np.arange(abilities.shape[-1] + 1)[:, None]
    none_right = np.log1p(np.exp(abilities[..., None] + EASINESS)).sum(axis=-2, keepdims=True)
    with np.errstate(divide="ignore"):
        likelihood = np.log(shares)[..., None, :] + scores * EASINESS - none_right
    posterior = np.exp(likelihood - likelihood.max(axis=-1, keepdims=True))
    return posterior / posterior.sum(axis=-1, keepdims=True)


def _null_of_all(right_models, accuracies, informative):
    """The function `expect` of a DifficultyNull, from one fit of all models.

    The easiness of each image is as good as known from so many models, so what is left is chance given the easiness, less
    what the abilities take up, which are fitted to the accuracies.

    Args:
        right_models: int [images], informative models that get each image right.
        accuracies: float [models].
        informative: int, positions of the models that are neither always nor never right.
    """
    scores = np.bincount(right_models, minlength=len(informative) + 1)
    shares, abilities = fit_easiness(scores, accuracies[informative])
    right = np.full((len(accuracies), len(EASINESS)), np.nan)  # chance of being right, [models, points]
    right[informative] = expit(abilities[:, None] + EASINESS)

    def expect(rows, others):
        expected, variance = _expect_pairs(right[rows], right[others], shares)
        return expected, np.sqrt(np.maximum(variance, 0) / len(right_models))

    return expect


@njit(parallel=True, cache=True, fastmath={"contract", "reassoc"})
def _expect_pairs(right, other_right, shares):
    """Expected flips, and the variance of flips less these for one image.

    Each pair is summed on its own, so that it does not depend on which models are computed together.

    Args:
        right: float64 [students, points], chance of being right.
        other_right: float64 [teachers, points].
        shares: float64 [points], of the images.

    Returns:
        (expected, variance): float64 [students, teachers] twice.
    """
    expected, variance = np.empty((len(right), len(other_right))), np.empty((len(right), len(other_right)))
    of_student, of_teacher = _mean_chances(right, shares), _mean_chances(other_right, shares)
    for i in prange(len(right)):
        student = right[i]
        for j in range(len(other_right)):
            teacher = other_right[j]
            flips = wrong_given = right_given = both = 0.0
            for point in range(len(shares)):
                r, t, share = student[point], teacher[point], shares[point]
                chance, other_chance = share * r * (1 - r), t * (1 - t)
                flips += share * (1 - r) * t
                wrong_given += share * (1 - r) * other_chance
                right_given += chance * t
                both += chance * other_chance + share * (1 - r) ** 2 * other_chance + chance * t**2
            expected[i, j] = flips
            variance[i, j] = both - wrong_given**2 / of_teacher[j] - right_given**2 / of_student[i]
    return expected, variance


@njit(fastmath={"contract", "reassoc"})
def _mean_chances(right, shares):
    """Mean over the images of P(right) P(wrong), [models]; row by row, which no library sums in an order of its own."""
    means = np.zeros(len(right))
    for i in range(len(right)):
        for point in range(len(shares)):
            means[i] += shares[point] * right[i, point] * (1 - right[i, point])
    return means


def _null_of_others(correct):
    """(expected flips, their error) of each pair from a fit of the other models, the earlier model as the student."""
    models, images = correct.shape
    total, accuracies = correct.sum(axis=0), correct.mean(axis=1)
    whole = fit_easiness(np.bincount(total, minlength=models + 1), accuracies)
    pairs = np.column_stack(np.triu_indices(models, 1))
    expected, error = np.full((models, models), np.nan), np.full((models, models), np.nan)
    for first in range(0, len(pairs), PAIRS_AT_ONCE):
        part = pairs[first : first + PAIRS_AT_ONCE]
        scores = np.stack([np.bincount(total - correct[pair].sum(axis=0), minlength=models - 1) for pair in part])
        others = np.stack([np.delete(np.arange(models), pair) for pair in part])
        start = np.broadcast_to(whole[0], (len(part), len(EASINESS))), whole[1][others]
        shares, abilities = fit_easiness(scores, accuracies[others], REFINEMENTS, start)
        of_pair = fit_abilities(shares, accuracies[part], whole[1][part])
        flips, variance = _flips_given_scores(shares, _easiness_of_scores(shares, abilities), scores / images, of_pair)
        student, teacher = part.T
        expected[student, teacher] = flips
        error[student, teacher] = np.sqrt(np.maximum(variance, 0) / images)
    return expected, error


def _flips_given_scores(shares, posterior, of_scores, abilities):
    """Expected flips [pairs], and their variance x images given the scores of the other models.

    Args:
        shares: [pairs, points].
        posterior: [pairs, scores, points].
        of_scores: [pairs, scores], shares of the images.
        abilities: [pairs, 2] of student and teacher, which are fitted to the accuracies; what they take up is no variance.
    """
    right = expit(abilities[..., None] + EASINESS)
    student, teacher = right[:, 0], right[:, 1]  # [pairs, points]
    flip = (1 - student) * teacher

    def mean(values):
        return (values * shares).sum(axis=-1)

    of_teacher = mean((1 - student) * teacher * (1 - teacher)) / mean(teacher * (1 - teacher))
    of_student = -mean(teacher * student * (1 - student)) / mean(student * (1 - student))
    # the variance of flip - of_teacher * right teacher - of_student * right student, which are 0 or 1
    square = mean(flip) * (1 - 2 * of_teacher) + of_teacher**2 * mean(teacher) + of_student**2 * mean(student)
    square += 2 * of_teacher * of_student * mean(student * teacher)
    residual = flip - of_teacher[:, None] * teacher - of_student[:, None] * student
    of_score = (posterior @ residual[..., None])[..., 0]
    return mean(flip), square - (of_scores * of_score**2).sum(axis=-1)
