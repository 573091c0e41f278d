"""A folder of images, with a folder per class or a table of labels."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from transfer_atlas.errors import InputError, did_you_mean
from transfer_atlas.images.labels import check_names, image_suffixes


@dataclass(frozen=True)
class ImageFolder:
    """One folder per class, as torchvision and timm read them; or a flat folder with a table of its labels.

    Attributes:
        folder: the images.
        train: folder whose sub-folders name the classes, in sorted order.
        flat: table with columns image and label for a folder without sub-folders; None where the sub-folders say it.
    """

    folder: str
    train: str
    flat: Path | None = None

    @cached_property
    def names(self):
        """Class names."""
        return sorted(entry.name for entry in os.scandir(self.train) if entry.is_dir())

    @cached_property
    def samples(self):
        """List of (file below the folder, class name)."""
        return self._flat_samples() if self.flat else self._class_samples()

    def _class_samples(self):
        folders = sorted(entry.name for entry in os.scandir(self.folder) if entry.is_dir())
        unknown = sorted(set(folders) - set(self.names))
        if unknown:
            raise InputError(f"{self.folder}: class '{unknown[0]}' is not in {self.train}")
        if not folders:
            raise InputError(
                f"{self.folder}: no folder per class; for images without such folders give images.evaluation_labels"
            )
        return [(file, name) for name in folders for file in image_names(self.folder, name)]

    def _flat_samples(self):
        table = pd.read_csv(self.flat, sep=None, engine="python", dtype=str)
        if not {"image", "label"} <= set(table):
            raise InputError(f"{self.flat}: should have columns image and label, but has {', '.join(table)}")
        label = table.set_index("image")["label"]
        files = image_names(self.folder)
        without = [file for file in files if file not in label.index]
        if without:
            raise InputError(f"{self.flat}: no label for {without[0]}, one of {len(without):,} images in {self.folder}")
        unknown = sorted(set(label[files]) - set(self.names))
        if unknown:
            raise InputError(
                f"{self.flat}: label '{unknown[0]}' is no class of {self.train}{did_you_mean(unknown[0], self.names)}"
            )
        return [(file, label[file]) for file in files]

    def __len__(self):
        """Number of images."""
        return len(self.samples)

    @property
    def files(self):
        """File of each image, below the folder."""
        return [file for file, _ in self.samples]

    def labels(self, classes):
        """Class of each image, int [images]."""
        check_names(self.names, classes, self.train)
        number = {name: position for position, name in enumerate(self.names)}
        return np.array([number[name] for _, name in self.samples])

    def encoded(self, index):
        """Yield (where, encoded bytes) of the images of an images table."""
        for file in index["file"]:
            path = Path(self.folder) / file
            try:
                yield str(path), path.read_bytes()
            except FileNotFoundError:
                raise InputError(
                    f"{path}: is gone; put it back, or remove results/<study>/images to list anew"
                ) from None


def image_names(folder, below=""):
    """Names of all images under a folder or one of its sub-folders, sorted, relative to the folder."""
    suffixes = image_suffixes()
    found = []
    for path, _, names in os.walk(Path(folder) / below):
        relative = Path(path).relative_to(folder)
        found += [str(relative / name) for name in names if Path(name).suffix.lower() in suffixes]
    return sorted(found)
