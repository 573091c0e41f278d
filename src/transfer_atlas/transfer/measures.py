"""What a transfer changed, sample by sample."""

import numpy as np

from transfer_atlas.statistics import TOP_PERCENTS, paired_standard_error


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
        Dict of the measures in the transfers table, without those that need a teacher where there is none; NaN where one
        needs a flip.
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
    if teacher is None:
        return {}
    flips, moved, gained = ~before & teacher, ~before & teacher & after, ~before & after
    measures = {
        "positive_flips": flips.mean(),
        "transferred_flips": moved.mean(),
        "transfer_rate": _ratio(moved, flips),
        "positive_flips_after": (~after & teacher).mean(),
    }
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


def describe_collapse(accuracy_before, accuracy_after, classes, images):
    """One line if a student that knew something ended at chance (within 3 standard errors), else None."""
    chance = 1 / classes
    bound = chance + 3 * np.sqrt(chance * (1 - chance) / images)
    if accuracy_after <= bound < accuracy_before:
        return f"ended at chance: accuracy {accuracy_after:.4f} after {accuracy_before:.4f}"
    return None
