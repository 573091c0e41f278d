"""Image data sets in one fixed order with ids and labels, and deterministic views of their images."""

import hashlib
import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from transfer_atlas.errors import InputError


def read_index(files, split, label_column, classes):
    """List the images of one split in the order of its files.

    Args:
        files: Parquet shards in the Hugging Face layout.
        split: name that the ids start with.
        label_column: integer column with the class.
        classes: number of classes; labels are 0 to classes - 1.

    Returns:
        DataFrame with columns image (id), row, label.

    Raises:
        InputError: no such column, a label outside the classes, or class names that are more or fewer.
    """
    labels = []
    for file in files:
        _check_class_names(file, label_column, classes)
        labels.append(_read_column(file, label_column).to_numpy())
        _check_labels(labels[-1], file, label_column, classes)
    labels = np.concatenate(labels)
    rows = np.arange(len(labels))
    return pd.DataFrame({"image": [f"{split}/{row:08d}" for row in rows], "row": rows, "label": labels})


def _read_column(file, column):
    parquet = pq.ParquetFile(file)
    if column not in parquet.schema_arrow.names:
        raise InputError(f"{file}: no column '{column}'; it has {', '.join(parquet.schema_arrow.names)}")
    return parquet.read(columns=[column]).column(column)


def _check_labels(labels, file, column, classes):
    if not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"{file}: column '{column}' should hold integers without gaps, not {labels.dtype}")
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        raise InputError(
            f"{file}, row {wrong[0]}: label {labels[wrong[0]]} is outside 0 to {classes - 1} (images.classes: {classes})"
        )


def _check_class_names(file, column, classes):
    names = class_names(file, column)
    if names is not None and len(names) != classes:
        raise InputError(f"{file}: names {len(names)} classes in '{column}', but images.classes is {classes}")


def class_names(file, label_column):
    """Class names from the Hugging Face schema metadata of a Parquet file, or None where it has none."""
    metadata = pq.read_schema(file).metadata or {}
    features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    return features.get(label_column, {}).get("names")


def describe_classes(index, names, classes):
    """The classes table of a split.

    Args:
        index: images table.
        names: class names in the order of their ids, or None.
        classes: number of classes.
    """
    images = np.bincount(index["label"], minlength=classes)
    return pd.DataFrame({"class": np.arange(classes), "name": names, "images": images})


def stratified_subset(index, size, seed):
    """Draw `size` rows of `index` with the class shares of the whole, in the order of the data set.

    Raises:
        InputError: fewer rows than asked for.
    """
    if size > len(index):
        raise InputError(f"images.transfer_images: {size} asked for, but the training split has {len(index)} images")
    generator = np.random.default_rng(seed)
    labels = index["label"].to_numpy()
    counts = np.bincount(labels)
    exact = counts * size / len(index)
    take = np.floor(exact).astype(int)
    # the largest remainders get the images that rounding down left over
    take[np.argsort(take - exact, kind="stable")[: size - take.sum()]] += 1
    chosen = [generator.permutation(np.flatnonzero(labels == c))[:n] for c, n in enumerate(take)]
    return index.iloc[np.sort(np.concatenate(chosen))].reset_index(drop=True)


def read_encoded(files, image_column, rows):
    """Yield (file, row in file, encoded bytes) of the wanted rows, which are sorted and counted over all files."""
    wanted, start = np.asarray(rows), 0
    for file in files:
        names = pq.read_schema(file).names
        if image_column not in names:
            raise InputError(f"{file}: no column '{image_column}'; it has {', '.join(names)}")
        first = start
        for batch in pq.ParquetFile(file).iter_batches(batch_size=1024, columns=[image_column]):
            here = wanted[(wanted >= start) & (wanted < start + len(batch))] - start
            for row, image in zip(here, batch.column(0).take(here).to_pylist(), strict=True):
                yield file, start - first + int(row), (image or {}).get("bytes")
            start += len(batch)


def view_seed(seed, image, view):
    """Seed of one augmented view: a pure function of study seed, image id and view number."""
    digest = hashlib.blake2b(f"{seed}/{image}/{view}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def make_view(pixels, images, view, transforms, seed):
    """Augment decoded images; the same call gives the same pixels on any machine and with any workers.

    Args:
        pixels: uint8 [images, height, width, 3], the evaluation crops, which are view 0.
        images: ids of the images.
        view: number of the view; 0 returns `pixels` as it is.
        transforms: list of {name, **arguments} of torchvision.transforms.v2, applied in order.
        seed: seed of the study.

    Returns:
        uint8 [images, height, width, 3].

    Raises:
        InputError: a transform refuses its arguments or changes the size of the image.
    """
    if view == 0:
        return pixels
    import torch

    augment = _compose(transforms)
    augmented = np.empty_like(pixels)
    with torch.random.fork_rng(devices=[]):
        for number, image in enumerate(images):
            torch.manual_seed(view_seed(seed, image, view))
            changed = augment(torch.from_numpy(np.array(pixels[number])).permute(2, 0, 1))
            if changed.shape[1:] != pixels.shape[1:3]:
                raise InputError(
                    f"views.transforms: change the size of the images to {tuple(changed.shape[1:])}, but it must stay {pixels.shape[1:3]}"
                )
            augmented[number] = changed.permute(1, 2, 0).numpy()
    return augmented


def make_views(pixels, images, count, transforms, seed):
    """All `count` views of the images, as a list; arguments as in `make_view`."""
    return [make_view(pixels, images, view, transforms, seed) for view in range(count)]


def _compose(transforms):
    from torchvision.transforms import v2

    steps = []
    for transform in transforms:
        arguments = {key: value for key, value in transform.items() if key != "name"}
        try:
            steps.append(getattr(v2, transform["name"])(**arguments))
        except (TypeError, ValueError) as error:
            raise InputError(f"views.transforms: {transform['name']} refuses {arguments}: {error}") from None
    return v2.Compose(steps or [v2.Identity()])
