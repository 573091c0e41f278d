"""Parquet files in the Hugging Face layout: labels, class names and encoded images."""

import json

import numpy as np
import pyarrow.parquet as pq

from transfer_atlas.errors import InputError


def class_names(file, label_column):
    """Class names from the Hugging Face schema metadata of a Parquet file, or None where it has none."""
    metadata = pq.read_schema(file).metadata or {}
    features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    return features.get(label_column, {}).get("names")


def read_column(file, column):
    """Read one column of one file.

    Raises:
        InputError: there is no such column.
    """
    parquet = pq.ParquetFile(file)
    if column not in parquet.schema_arrow.names:
        raise InputError(f"{file}: no column '{column}'; it has {', '.join(parquet.schema_arrow.names)}")
    return parquet.read(columns=[column]).column(column)


def count_rows(files):
    """Number of rows of Parquet files, from their footers alone."""
    return sum(pq.read_metadata(file).num_rows for file in files)


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
