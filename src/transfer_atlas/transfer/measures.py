"""What a transfer changed, sample by sample."""

import numpy as np

from transfer_atlas.schemas import TOP_PERCENTS
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
    "positive_flips_after",
    *(f"top{percent}_transfer_rate" for percent in TOP_PERCENTS),
    *(f"top{percent}_gain_share" for percent in TOP_PERCENTS),
)

HISTORY = ("epoch_objective", "epoch_accuracy", "epoch_teacher_share", "epoch_gain", "epoch_loss")


def gain_and_loss(before, after):
    """Shares of images that are wrong before and right after, and right before and wrong after; bool [images] each."""
    return (~before & after).sum() / len(before), (before & ~after).sum() / len(before)


def measure_transfer(before, after, teacher, labels):
    """Measure a transfer on the evaluation images.

    Args:
        before: bool [images], the student is right before the transfer.
        after: bool [images], the student is right after it.
        teacher: bool [images], the teacher is right; None for the controls.
        labels: int [images].

    Returns:
        Dict of the measures in the transfers table; NaN where a measure needs a teacher or a flip.
    """
    images, (gain, loss) = len(before), gain_and_loss(before, after)
    return {
        "accuracy_before": before.mean(),
        "accuracy_after": after.mean(),
        "delta": gain - loss,
        "delta_standard_error": paired_standard_error(gain, loss, images),
        "gain": gain,
        "loss": loss,
        **_measure_knowledge(before, after, teacher, labels),
        "images": images,
    }


def _measure_knowledge(before, after, teacher, labels):
    """What became of the images that the teacher knew and the student did not, overall and in their main classes."""
    measures = dict.fromkeys(MEASURES[MEASURES.index("positive_flips") :], np.nan)
    if teacher is None:
        return measures
    flips, moved, gained = ~before & teacher, ~before & teacher & after, ~before & after
    measures["positive_flips"], measures["transferred_flips"] = flips.mean(), moved.mean()
    measures["transfer_rate"] = _ratio(moved, flips)
    measures["positive_flips_after"] = (~after & teacher).mean()
    for percent in TOP_PERCENTS:
        inside = np.isin(labels, top_classes(labels[flips], percent))
        measures[f"top{percent}_transfer_rate"] = _ratio(moved & inside, flips & inside)
        measures[f"top{percent}_gain_share"] = _ratio(gained & inside, gained)
    return measures


def _ratio(part, whole):
    return part.sum() / whole.sum() if whole.any() else np.nan


def top_classes(labels, percent):
    """The fewest classes that hold at least `percent` % of `labels`, by falling count, then class id."""
    counts = np.bincount(labels)
    order = np.argsort(-counts, kind="stable")
    held = np.cumsum(counts[order])
    return order[: np.searchsorted(100 * held, percent * len(labels)) + 1] if len(labels) else order


def no_measures(images):
    """The measures of a transfer without a result: NaN, and no history."""
    return dict.fromkeys(MEASURES, np.nan) | {"images": images} | dict.fromkeys((*HISTORY, "right_after"))


def describe_collapse(accuracy_before, accuracy_after, classes, images):
    """One line if a student that knew something ended at chance (within 3 standard errors), else None."""
    chance = 1 / classes
    bound = chance + 3 * np.sqrt(chance * (1 - chance) / images)
    if accuracy_after <= bound < accuracy_before:
        return f"ended at chance: accuracy {accuracy_after:.4f} after {accuracy_before:.4f}"
    return None
