"""Which transfer images a student learns from, and which are kept apart to choose its best epoch."""

import numpy as np


def images_of(spec, labels):
    """Rows of the transfer images that a transfer learns from, and of those that its best epoch is chosen on.

    Args:
        spec: the transfer.
        labels: int [transfer images].
    """
    apart = nested_subset(labels, spec.select_share) if spec.select_share else np.empty(0, np.int64)
    others = np.setdiff1d(np.arange(len(labels)), apart)
    return others[nested_subset(labels[others], spec.image_share)], apart


def nested_subset(labels, share):
    """Images of a share of the transfer images, stratified by class; every share holds the smaller ones.

    Args:
        labels: int [images].
        share: above 0, at most 1.

    Returns:
        int [share * images, rounded, at least 1], rising: the same whatever the transfer's seed.
    """
    drawn = np.random.default_rng(0).permutation(len(labels))
    place = np.empty(len(labels))  # of an image within its class, 0 to 1
    for label in np.unique(labels):
        of_class = drawn[labels[drawn] == label]
        place[of_class] = (np.arange(len(of_class)) + 0.5) / len(of_class)
    first = np.lexsort((drawn.argsort(), place))
    return np.sort(first[: max(1, round(share * len(labels)))])
