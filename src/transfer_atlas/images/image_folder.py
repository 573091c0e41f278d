"""A folder of images, with a folder per class or a table of labels."""

import csv
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from transfer_atlas.errors import InputError, did_you_mean, one_line
from transfer_atlas.images.labels import check_names, image_suffixes


@dataclass(frozen=True)
class ImageFolder:
    """One folder per class, as torchvision and timm read them; or a flat folder with a table of its labels.

    Attributes:
        folder: the images.
        train: folder whose sub-folders name the classes.
        flat: table with columns image and label for a folder without sub-folders; None where the sub-folders say it.
        class_order: `text` as in torchvision, `natural` as in timm; None where both are the same.
    """

    folder: str
    train: str
    flat: Path | None = None
    class_order: str | None = None

    @cached_property
    def names(self):
        """Class names in the order of their numbers.

        Raises:
            InputError: torchvision and timm number the folders differently, and `class_order` does not say which is meant.
        """
        folders = [entry.name for entry in os.scandir(self.train) if entry.is_dir()]
        orders = {"text": sorted(folders), "natural": sorted(folders, key=natural_key)}
        if self.class_order is None and orders["text"] != orders["natural"]:
            first, second = (", ".join(orders[order][:3]) for order in orders)
            raise InputError(
                f"{self.train}: torchvision numbers these class folders as text ({first}, ...), timm in natural order "
                f"({second}, ...); say which order the models were trained with: images.class_order: text or natural"
            )
        return orders[self.class_order or "text"]

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
        samples = {name: image_names(self.folder, name) for name in folders}
        for name, files in samples.items():
            others = [] if files else other_files(Path(self.folder) / name)
            if others:
                raise InputError(
                    f"{self.folder}/{name}: {len(others):,} files, but none with the suffix of an image that Pillow opens "
                    f"({others[0].name}); convert them, or remove the folder"
                )
        return [(file, name) for name, files in samples.items() for file in files]

    def _flat_samples(self):
        label = read_label_table(self.flat)
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


def other_files(folder):
    """Files of a folder that are not hidden, in order."""
    return sorted(path for path in Path(folder).rglob("*") if path.is_file() and not path.name.startswith("."))


def natural_key(name):
    """Sort key of timm: without case, and digits as the number that they make."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name.lower())]


def read_label_table(path):
    """Label of each image of a comma or tab separated table, as a Series of text by image.

    Raises:
        InputError: it cannot be read, lacks a column, names an image twice, or has no label for one.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            separator = "\t" if "\t" in file.readline() else ","
            file.seek(0)
            reader = csv.reader(file, delimiter=separator)
            (_, header), *lines = [(reader.line_num, row) for row in reader if row] or [(1, [])]
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(
            f"{path}: cannot be read as the table of images.evaluation_labels ({one_line(error)})"
        ) from None
    for number, row in lines:
        if len(row) != len(header):
            raise InputError(f"{path}, line {number}: has {len(row)} cells, but the header has {len(header)}")
    numbers, rows = [number for number, _ in lines], [row for _, row in lines]
    table = pd.DataFrame(rows, columns=header, index=numbers, dtype=str)
    table = table.rename(columns=str.strip)
    if not {"image", "label"} <= set(table):
        raise InputError(f"{path}: should have columns image and label, but has {', '.join(table)}")
    image, label = (table[column].str.strip() for column in ("image", "label"))
    for bad, what in ((image.duplicated(), "stands there twice"), (label == "", "has no label")):
        if bad.any():
            raise InputError(f"{path}, line {bad.idxmax()}: image '{image[bad.idxmax()]}' {what}")
    return label.set_axis(image)


def image_names(folder, below=""):
    """Names of all images under a folder or one of its sub-folders, sorted, relative to the folder."""
    suffixes = image_suffixes()
    found = []
    for path, _, names in os.walk(Path(folder) / below, followlinks=True):  # as torchvision and timm do
        relative = Path(path).relative_to(folder)
        found += [str(relative / name) for name in names if Path(name).suffix.lower() in suffixes]
    for name in found:
        if not name.isprintable() and any("\udc80" <= letter <= "\udcff" for letter in name):
            raise InputError(f"{folder}: the file name {os.fsencode(name)!r} is not UTF-8; rename the file")
    return sorted(found)
