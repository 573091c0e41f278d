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
                    for key, members in _grouped(tar):
                        image = next(
                            (suffix for suffix in members if f".{suffix.split('.')[-1].lower()}" in suffixes), None
                        )
                        if image is None:
                            raise InputError(f"{shard}, sample {key}: holds no image, but {', '.join(members)}")
                        yield (
                            f"{shard}, sample {key}",
                            image,
                            lambda suffix, tar=tar, members=members: (
                                tar.extractfile(members[suffix]).read() if suffix in members else None
                            ),
                        )
            except tarfile.TarError as error:
                raise InputError(f"{shard}: is no whole tar file ({error})") from None


def _grouped(tar):
    """Yield (key, dict of suffix to member) of consecutive members that share a key."""
    key, members = None, {}
    for member in tar:
        if not member.isfile():
            continue
        path = Path(member.name)
        stem, _, suffix = path.name.partition(".")
        if path.with_name(stem) != key:
            if members:
                yield key, members
            key, members = path.with_name(stem), {}
        members[suffix] = member
    if members:
        yield key, members
