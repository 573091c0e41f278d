"""Reading, writing and gathering of Parquet tables, each with its schema and provenance."""

import hashlib
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from transfer_atlas.errors import InputError
from transfer_atlas.files import atomic
from transfer_atlas.schemas import SCHEMAS

METADATA_KEY = b"transfer_atlas"


def write_table(frame, table, path, provenance=None):
    """Write `frame` as the table named `table`; the file appears whole or not at all."""
    write_chunks([frame], table, path, provenance)


def write_chunks(frames, table, path, provenance=None):
    """Write the concatenation of `frames`, any iterable of DataFrames, with the memory of one of them."""
    metadata = {METADATA_KEY: json.dumps({"table": table, **(provenance or {})}, sort_keys=True)}
    schema = SCHEMAS[table].with_metadata(metadata)
    with atomic(path) as partial, pq.ParquetWriter(partial, schema) as writer:
        for frame in frames:
            writer.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False))


def write_excluded(table, path, reason, provenance=None):
    """Write `table` without rows in place of a model's answers; every later stage passes over the model.

    Args:
        table: name of the table.
        path: file to write.
        reason: one line that says why the model is left out.
        provenance: as in `write_table`.
    """
    empty = SCHEMAS[table].empty_table().to_pandas()
    write_table(empty, table, path, {**(provenance or {}), "excluded": reason})


def exclusion(path):
    """Why the model of a table was left out, or None if it was not."""
    return read_metadata(path).get("excluded")


def fingerprint(images, labels):
    """Digest of the ids and labels of an image set in its order; equal digests mean equal sets.

    Args:
        images: ids, strings.
        labels: integers, as many.

    Returns:
        `<count>-<32 hex digits>`.
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update("\n".join(images).encode())
    digest.update(np.ascontiguousarray(labels, dtype="<i8").tobytes())
    return f"{len(images)}-{digest.hexdigest()}"


def read_table(path, columns=None):
    """Read any table of the study as a DataFrame with plain columns.

    Args:
        path: the Parquet file.
        columns: names of the columns to read; None for all.

    Raises:
        InputError: no such file, or it is not a table of this package.
    """
    read_metadata(path)
    return pq.read_table(path, columns=columns).to_pandas()


def read_metadata(path):
    """Read the provenance that was written with a table.

    Raises:
        InputError: no such file, or it is not a table of this package.
    """
    try:
        metadata = pq.read_schema(path).metadata or {}
    except FileNotFoundError:
        raise InputError(f"{path}: no such table; make it with: snakemake --cores 2 {path}") from None
    except pa.ArrowInvalid as error:
        raise InputError(f"{path}: not a Parquet file ({error})") from None
    if METADATA_KEY not in metadata:
        raise InputError(f"{path}: was not written by transfer-atlas")
    return json.loads(metadata[METADATA_KEY])


def gather(paths, table):
    """Concatenate small files of one table in the given order; returns the frame and the summed cost."""
    frame = pd.concat([pq.read_table(path, schema=SCHEMAS[table]).to_pandas() for path in paths], ignore_index=True)
    seconds = sum(read_metadata(path).get("seconds", 0) for path in paths)
    return frame, {"files": len(paths), "seconds_of_files": round(seconds, 3)}
