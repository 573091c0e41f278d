"""Parquet files in the Hugging Face layout: labels, class names and encoded images."""

import json
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq

from transfer_atlas.errors import InputError
from transfer_atlas.images.labels import check_labels, check_names


@dataclass(frozen=True)
class ParquetShards:
    """Parquet files in the Hugging Face layout.

    Attributes:
        shards: paths, in order.
        image_column: struct column whose field `bytes` holds one encoded image.
        label_column: integer column.
    """

    shards: list
    image_column: str
    label_column: str
    files = None

    @property
    def names(self):
        """Class names from the Hugging Face metadata of the first file, or None where it has none."""
        return self._names_in(self.shards[0])

    def _names_in(self, shard):
        metadata = pq.read_schema(shard).metadata or {}
        features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
        return features.get(self.label_column, {}).get("names")

    def __len__(self):
        """Number of images, from the footers alone."""
        return sum(pq.read_metadata(shard).num_rows for shard in self.shards)

    def labels(self, classes):
        """Class of each image, int [images]."""
        labels = []
        for shard in self.shards:
            check_names(self._names_in(shard), classes, f"{shard}, column '{self.label_column}'")
            self._check_column(shard, self.label_column)
            column = pq.read_table(shard, columns=[self.label_column]).column(0).to_numpy()
            check_labels(column, classes, shard, f"column '{self.label_column}'")
            labels.append(column)
        return np.concatenate(labels)

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
                    yield f"{shard}, row {start - first + int(row)}", (image or {}).get("bytes")
                start += len(batch)
