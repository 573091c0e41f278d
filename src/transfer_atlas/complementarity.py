"""What each model knows that another does not, for all ordered pairs, from correctness bits."""

import numpy as np
import pandas as pd
from scipy.special import xlogy

from transfer_atlas.errors import InputError


def align_predictions(predictions):
    """Stack the correctness of all models, after checking that they answered the same images.

    Args:
        predictions: dict of model name to its predictions table.

    Returns:
        (correct, labels): bool [models, images] and int [images].

    Raises:
        InputError: a model whose images or labels differ from the first model's.
    """
    first, reference = next(iter(predictions.items()))
    for model, table in predictions.items():
        for column in ("image", "label"):
            if not table[column].equals(reference[column]):
                raise InputError(
                    f"model {model}: its column '{column}' differs from that of {first}; compute its logits again"
                )
    correct = np.stack([table["correct"].to_numpy() for table in predictions.values()])
    return correct, reference["label"].to_numpy()


def count_flips(correct, labels):
    """Count, for every ordered pair, the images that the student gets wrong and the teacher right.

    Args:
        correct: bool [models, images].
        labels: int [images].

    Returns:
        (flips, entropy): flips is int64 [students, teachers], the positive flips; its transpose holds the
        negative flips. entropy is float64 [students, teachers], the entropy in nats of the positive flips over
        classes, H = -sum_c (k_c / k) ln(k_c / k), and 0 where there are none (paper sections 1.1 to 1.4).
    """
    models = len(correct)
    flips = np.zeros((models, models))
    weighted = np.zeros((models, models))  # sum_c k_c ln k_c
    for label in np.unique(labels):
        right = correct[:, labels == label].astype(np.float32)  # counts stay exact below 2^24 images a class
        in_class = ((1 - right) @ right.T).astype(np.float64)  # [students, teachers]
        flips += in_class
        weighted += xlogy(in_class, in_class)
    total = np.maximum(flips, 1)
    entropy = np.maximum(np.log(total) - weighted / total, 0)
    return flips.astype(np.int64), entropy


def compare_models(names, correct, labels):
    """Compare all ordered pairs of different models.

    Args:
        names: names of the models.
        correct: bool [models, images], in one order of images.
        labels: int [images].

    Returns:
        DataFrame of the complementarity table, students in the order of `names`, then teachers.
    """
    flips, entropy = count_flips(correct, labels)
    images = len(labels)
    right = correct.sum(axis=1)
    student, teacher = np.nonzero(~np.eye(len(names), dtype=bool))
    positive, negative = flips[student, teacher], flips[teacher, student]
    both_right = right[student] - negative
    names = np.asarray(names, dtype=object)
    return pd.DataFrame(
        {
            "student": names[student],
            "teacher": names[teacher],
            "student_accuracy": right[student] / images,
            "teacher_accuracy": right[teacher] / images,
            "accuracy_difference": (right[teacher] - right[student]) / images,
            "positive_flips": positive / images,
            "negative_flips": negative / images,
            "both_right": both_right / images,
            "both_wrong": (images - both_right - positive - negative) / images,
            "flip_entropy": entropy[student, teacher],
            "images": images,
        }
    )
