"""WebDataset shards."""

import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transfer_atlas.errors import InputError
from transfer_atlas.images.labels import check_labels, image_suffixes


@dataclass(frozen=True)
class TarShards:
    """WebDataset shards: members of one sample share a name up to the first dot; `.cls` holds the class as a number.

    Attributes:
        shards: paths, in order.
    """

    shards: list
    names = None
    files = None

    def __len__(self):
        """Number of images."""
        return sum(1 for _ in self._samples())

    def labels(self, classes):
        """Class of each image, int [images]."""
        labels = []
        for where, _, read in self._samples():
            text = read("cls")
            if text is None or not text.strip().isdigit():
                raise InputError(f"{where}: should hold a .cls with the number of its class, but has {text!r}")
            labels.append(int(text))
        labels = np.array(labels)
        check_labels(labels, classes, self.shards[0], "member .cls")
        return labels

    def encoded(self, index):
        """Yield (where, encoded bytes) of the images of an images table, in the order of the data set."""
        wanted = set(index["row"])
        for row, (where, suffix, read) in enumerate(self._samples()):
            if row in wanted:
                yield where, read(suffix)

    def _samples(self):
        """Yield (where, suffix of the image, function from a suffix to the member's bytes or None)."""
        suffixes = image_suffixes()
        for shard in self.shards:
            try:
                with tarfile.open(shard) as tar:
                    for key, members in _grouped(tar, shard):
                        image = _image_suffix(members, suffixes, f"{shard}, sample {key}")
                        yield (
                            f"{shard}, sample {key}",
                            image,
                            lambda suffix, tar=tar, members=members: (
                                tar.extractfile(members[suffix]).read() if suffix in members else None
                            ),
                        )
            except tarfile.TarError as error:
                raise InputError(f"{shard}: is no whole tar file ({error})") from None


def _image_suffix(members, suffixes, where):
    """Suffix of a sample's image: one such as png, else the only one such as rgb.png."""
    whole = [suffix for suffix in members if f".{suffix.lower()}" in suffixes]
    images = whole or [suffix for suffix in members if f".{suffix.split('.')[-1].lower()}" in suffixes]
    if not images:
        raise InputError(f"{where}: holds no image, but {', '.join(members)}")
    if len(images) > 1:
        raise InputError(f"{where}: holds several images, {', '.join(images)}; leave one, with a suffix such as png")
    return images[0]


def _grouped(tar, shard):
    """Yield (key, dict of suffix to member) of consecutive members that share a key.

    Raises:
        InputError: two consecutive samples have the same key.
    """
    key, members = None, {}
    for member in tar:
        path = Path(member.name)
        if not member.isfile() or path.name.startswith(
            "."
        ):  # macOS adds ._name for each file; webdataset passes over them
            continue
        stem, _, suffix = path.name.partition(".")
        if path.with_name(stem) != key:
            if members:
                yield key, members
            key, members = path.with_name(stem), {}
        if suffix in members:
            raise InputError(
                f"{shard}, sample {key}: stands there twice (.{suffix}); give each sample a name of its own"
            )
        members[suffix] = member
    if members:
        yield key, members
