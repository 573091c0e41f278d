"""Image data sets in one fixed order, with ids and labels."""

import numpy as np
import pandas as pd

from transfer_atlas.errors import InputError


def index_images(readers, classes, transfer_images, held_out, seed):
    """List the images of all splits, and draw the transfer images from the training images.

    Args:
        readers: dict of `train` and, unless images are held out, `evaluation` to a reader (images.readers).
        classes: number of classes.
        transfer_images: size of the transfer subset, as in `stratified_subset`.
        held_out: size of the subset of the other training images to evaluate on; 0 for the evaluation images.
        seed: seed of the draws.

    Returns:
        (indexes, table): dict of split (train, transfer, evaluation) to its images table, and the classes table.

    Raises:
        InputError: as the readers and `stratified_subset` do.
    """
    train = read_index(readers["train"], "train", classes)
    transfer = stratified_subset(train, transfer_images, seed, "images.transfer_images")
    if held_out:
        others = train[~train["row"].isin(transfer["row"])]
        evaluation = stratified_subset(others, held_out, seed, "images.held_out")
    else:
        evaluation = read_index(readers["evaluation"], "evaluation", classes)
    indexes = {"train": train, "transfer": transfer, "evaluation": evaluation}
    return indexes, describe_classes(evaluation, readers["train"].names, classes)


def read_index(reader, split, classes):
    """List the images of one split in the order of its files.

    Args:
        reader: of images.readers.
        split: name that the ids start with.
        classes: number of classes; labels are 0 to classes - 1.

    Returns:
        The images table: columns image (id), row, label, file.

    Raises:
        InputError: labels or class names that are not those of the classes; a file that cannot be read.
    """
    labels = reader.labels(classes)
    if not len(labels):
        raise InputError(f"images.{split}: there are no images in it")
    rows = np.arange(len(labels))
    ids = [f"{split}/{row:08d}" for row in rows]
    return pd.DataFrame({"image": ids, "row": rows, "label": labels, "file": reader.files})


def describe_classes(index, names, classes):
    """The classes table of a split.

    Args:
        index: images table.
        names: class names in the order of their ids, or None.
        classes: number of classes.
    """
    images = np.bincount(index["label"], minlength=classes)
    return pd.DataFrame({"class": np.arange(classes), "name": names, "images": images})


def split_sizes(train, evaluation, transfer_images, held_out):
    """Number of images of each split.

    Args:
        train: training images of the data set.
        evaluation: its evaluation images.
        transfer_images: as in `index_images`.
        held_out: as in `index_images`.
    """
    return {
        "train": train,
        "evaluation": subset_size(held_out, train) if held_out else evaluation,
        "transfer": subset_size(transfer_images, train),
    }


def subset_size(size, images):
    """Number of images that `size` means: a share of `images` below 1, else a number."""
    return max(1, round(size * images)) if size < 1 else int(size)


def stratified_subset(index, size, seed, key):
    """Draw rows of `index` with the class shares of the whole, in the order of the data set.

    Args:
        index: images table.
        size: number of rows, or a share of them below 1.
        seed: seed of the draw.
        key: config key that gives the size, for the message.

    Raises:
        InputError: fewer rows than asked for.
    """
    size = subset_size(size, len(index))
    if size > len(index):
        raise InputError(f"{key}: {size} asked for, but the training split has {len(index)} images to draw from")
    generator = np.random.default_rng(seed)
    labels = index["label"].to_numpy()
    counts = np.bincount(labels)
    exact = counts * size / len(index)
    take = np.floor(exact).astype(int)
    # the largest remainders get the images that rounding down left over
    take[np.argsort(take - exact, kind="stable")[: size - take.sum()]] += 1
    chosen = [generator.permutation(np.flatnonzero(labels == c))[:n] for c, n in enumerate(take)]
    return index.iloc[np.sort(np.concatenate(chosen))].reset_index(drop=True)
