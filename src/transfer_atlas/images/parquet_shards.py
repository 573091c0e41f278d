"""Parquet files in the Hugging Face layout: labels, class names and encoded images."""

import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from transfer_atlas.errors import InputError, did_you_mean
from transfer_atlas.images.labels import check_labels, check_names


@dataclass(frozen=True)
class ParquetShards:
    """Parquet files in the Hugging Face layout.

    Attributes:
        shards: paths, in order.
        image_column: column of encoded images, or of structs whose field `bytes` holds one.
        label_column: integer column.
        train: first file of the training images, whose class names number the classes; None for the first of `shards`.
    """

    shards: list
    image_column: str
    label_column: str
    train: str | None = None
    files = None

    @property
    def names(self):
        """Class names from the Hugging Face metadata of the training images, or None where there are none."""
        return self._names_in(self.train or self.shards[0])

    def _names_in(self, shard):
        metadata = pq.read_schema(shard).metadata or {}
        features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
        feature = features.get(self.label_column)
        return feature.get("names") if isinstance(feature, dict) else None

    def __len__(self):
        """Number of images, from the footers alone."""
        return sum(pq.read_metadata(shard).num_rows for shard in self.shards)

    def labels(self, classes):
        """Class of each image, int [images]."""
        labels = []
        for shard in self.shards:
            check_names(self._names_in(shard), classes, f"{shard}, column '{self.label_column}'")
            self._check_column(shard, self.label_column)
            column = pq.read_table(shard, columns=[self.label_column]).column(0)
            if pa.types.is_nested(column.type):
                raise InputError(
                    f"{shard}: column '{self.label_column}' holds {column.type}, not one class per image; choose one with "
                    "images.label_column"
                )
            column = column.to_numpy()
            check_labels(column, classes, shard, f"column '{self.label_column}'")
            labels.append(self._numbered_as_in_training(column, shard))
        return np.concatenate(labels)

    def _numbered_as_in_training(self, labels, shard):
        """Labels of a file whose class names stand in another order, as the training images number them."""
        own, wanted = self._names_in(shard), self.names
        if own is None or wanted is None or own == wanted:
            return labels
        if unknown := sorted(set(own) - set(wanted)):
            raise InputError(f"{shard}: class '{unknown[0]}' is not in {self.train}{did_you_mean(unknown[0], wanted)}")
        return np.array([wanted.index(name) for name in own])[labels]

    def _check_column(self, shard, column):
        names = pq.read_schema(shard).names
        if column not in names:
            raise InputError(f"{shard}: no column '{column}'; it has {', '.join(names)}")

    def encoded(self, index):
        """Yield (where, encoded bytes) of the images of an images table, in the order of the data set."""
        wanted, start = index["row"].to_numpy(), 0
        for shard in self.shards:
            self._check_column(shard, self.image_column)
            first = start
            for batch in pq.ParquetFile(shard).iter_batches(batch_size=1024, columns=[self.image_column]):
                here = wanted[(wanted >= start) & (wanted < start + len(batch))] - start
                for row, image in zip(here, batch.column(0).take(here).to_pylist(), strict=True):
                    data = image.get("bytes") if isinstance(image, dict) else image  # a struct, or the bytes themselves
                    yield f"{shard}, row {start - first + int(row)}", data
                start += len(batch)
