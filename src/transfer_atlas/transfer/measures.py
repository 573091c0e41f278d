"""What a transfer changed, sample by sample."""

import numpy as np

from transfer_atlas.statistics import paired_standard_error

MEASURES = (
    "accuracy_before",
    "accuracy_after",
    "delta",
    "delta_standard_error",
    "gain",
    "loss",
    "positive_flips",
    "transferred_flips",
    "transfer_rate",
)

HISTORY = ("epoch_objective", "epoch_accuracy", "epoch_teacher_share")


def measure_transfer(before, after, teacher):
    """Measure a transfer on the evaluation images.

    Args:
        before: bool [images], the student is right before the transfer.
        after: bool [images], the student is right after it.
        teacher: bool [images], the teacher is right; None for the controls.

    Returns:
        Dict of the measures in the transfers table; NaN where a measure needs a teacher or a flip.
    """
    images = len(before)
    gain, loss = (~before & after).sum() / images, (before & ~after).sum() / images
    positive, moved = np.nan, np.nan
    if teacher is not None:
        positive, moved = (~before & teacher).sum() / images, (~before & teacher & after).sum() / images
    return {
        "accuracy_before": before.mean(),
        "accuracy_after": after.mean(),
        "delta": gain - loss,
        "delta_standard_error": paired_standard_error(gain, loss, images),
        "gain": gain,
        "loss": loss,
        "positive_flips": positive,
        "transferred_flips": moved,
        "transfer_rate": moved / positive if positive else np.nan,
        "images": images,
    }


def no_measures(images):
    """The measures of a transfer without a result: NaN, and no history."""
    return dict.fromkeys(MEASURES, np.nan) | {"images": images} | dict.fromkeys(HISTORY)


def describe_collapse(accuracy_before, accuracy_after, classes, images):
    """One line if a student that knew something ended at chance (within 3 standard errors), else None."""
    chance = 1 / classes
    bound = chance + 3 * np.sqrt(chance * (1 - chance) / images)
    if accuracy_after <= bound < accuracy_before:
        return f"ended at chance: accuracy {accuracy_after:.4f} after {accuracy_before:.4f}"
    return None
