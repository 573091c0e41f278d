"""Difficulty null: the flips of two models that err independently of each other, given how difficult each image is.

The Rasch model: a model of ability a is right on an image of easiness b with probability 1 / (1 + exp(-a - b)). Easiness is
a random quantity of the images; its distribution is estimated without a form, as shares of the images at fixed points
(nonparametric marginal maximum likelihood, by expectation maximisation). How many models are right on an image is all that
the other models say of it (Rasch 1960; de Leeuw and Verhelst 1986), so the fit needs counts of images only.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from scipy.stats import t as student_t

from transfer_atlas.statistics import false_discovery_rate

EASINESS = np.linspace(-12, 12, 61)  # points of the distribution, in logits
FEWEST_MODELS = 6  # below, the other models say too little about the distribution
LEFT_OUT_MODELS = 40  # up to this number the distribution that a pair is judged by comes from the other models alone
ITERATIONS = 200
REFINEMENTS = 60  # iterations that start at the fit of all models
PAIRS_AT_ONCE = 64


@dataclass(frozen=True)
class DifficultyNull:
    """Flips under the null, arrays [students, teachers]; NaN for a model that is always or never right, or a small zoo.

    Attributes:
        expected: expected positive flips, share of the images.
        error: standard deviation of positive flips less the expected ones, where the null holds; share of the images.
        quantile: half of the 95 % interval in units of `error`: of Student's t with models - 1 degrees of freedom.
        q: false discovery rate over all pairs, two-sided, of flips that differ from the expected ones.
    """

    expected: np.ndarray
    error: np.ndarray
    quantile: float
    q: np.ndarray


def difficulty_null(correct, flips):
    """The null of all ordered pairs of a zoo.

    Args:
        correct: bool [models, images].
        flips: int [students, teachers], positive flips.

    Returns:
        DifficultyNull; up to LEFT_OUT_MODELS models a pair takes no part in the fit that it is judged by.
    """
    models, images = correct.shape
    expected, error = (np.full((models, models), np.nan) for _ in range(2))
    informative = np.flatnonzero(correct.any(axis=1) & ~correct.all(axis=1))
    if len(informative) >= FEWEST_MODELS:
        chosen = correct[informative]
        null = _null_of_others(chosen) if len(chosen) <= LEFT_OUT_MODELS else _null_of_all(chosen)
        expected[np.ix_(informative, informative)], error[np.ix_(informative, informative)] = null
        np.fill_diagonal(expected, np.nan)
    freedom = max(1, len(informative) - 1)
    p = 2 * student_t.sf(np.abs(flips / images - expected) / error, freedom)
    return DifficultyNull(expected, error, student_t.ppf(0.975, freedom), false_discovery_rate(p))


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


def _null_of_all(correct):
    """(expected flips, their error) from one fit of all models.

    The easiness of each image is as good as known from so many models, so what is left is chance given the easiness, less
    what the abilities take up, which are fitted to the accuracies.
    """
    models, images = correct.shape
    accuracies = correct.mean(axis=1)
    scores = np.bincount(correct.sum(axis=0), minlength=models + 1)
    shares, abilities = fit_easiness(scores, accuracies)
    right = expit(abilities[:, None] + EASINESS)  # [models, points]
    wrong, chance = 1 - right, right * (1 - right)
    spread = chance @ shares  # [models]
    wrong_given, right_given = (wrong * shares) @ chance.T / spread, (chance * shares) @ right.T / spread[:, None]
    variance = (chance * shares) @ chance.T
    variance += (wrong**2 * shares) @ chance.T - wrong_given**2 * spread
    variance += (chance * shares) @ (right**2).T - right_given**2 * spread[:, None]
    return (wrong * shares) @ right.T, np.sqrt(np.maximum(variance, 0) / images)


def _null_of_others(correct):
    """(expected flips, their error) of each pair from a fit of the other models."""
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
        expected[student, teacher], expected[teacher, student] = (
            flips,
            flips - accuracies[teacher] + accuracies[student],
        )
        error[student, teacher] = error[teacher, student] = np.sqrt(np.maximum(variance, 0) / images)
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
