"""What all readers of images ask of labels and files."""

from functools import cache

import numpy as np
from PIL import Image

from transfer_atlas.errors import InputError


def check_labels(labels, classes, file, what):
    """Refuse labels that are no class."""
    if not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"{file}: {what} should hold integers without gaps, not {labels.dtype}")
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        raise InputError(
            f"{file}, row {wrong[0]}: label {labels[wrong[0]]} is outside 0 to {classes - 1} (images.classes: {classes})"
        )


def check_names(names, classes, where):
    """Refuse class names that are more or fewer than the classes."""
    if names is not None and len(names) != classes:
        raise InputError(f"{where}: names {len(names)} classes, but images.classes is {classes}")


@cache
def image_suffixes():
    """Suffixes of files that Pillow opens, such as .jpeg."""
    return frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN)
