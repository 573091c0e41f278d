"""Reading, writing and gathering of Parquet tables, each with its schema and provenance.

A table is a file, or, where it is too large for one, a folder of files `part-00000.parquet` and so on.
"""

import hashlib
import json
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from transfer_atlas.errors import InputError
from transfer_atlas.schemas.tables import SCHEMAS
from transfer_atlas.store.checksums import crc32_of, damaged
from transfer_atlas.store.files import atomic

PART = "part-{}.parquet"
METADATA_KEY = b"transfer_atlas"
PAGES_KEY = b"transfer_atlas_pages"  # bytes before the footer, and their CRC-32


def write_table(frame, table, path, provenance=None):
    """Write `frame` as the table named `table`; the file appears whole or not at all."""
    write_chunks([frame], table, path, provenance)


def write_chunks(frames, table, path, provenance=None):
    """Write the concatenation of `frames`, any iterable of DataFrames, with the memory of one of them."""
    metadata = {"table": table, **(provenance or {})}
    metadata["checksum"] = _checksum(metadata, SCHEMAS[table])
    schema = SCHEMAS[table].with_metadata({METADATA_KEY: json.dumps(metadata, sort_keys=True)})
    with (
        atomic(path) as partial,
        open(partial, "w+b") as file,
        pq.ParquetWriter(file, schema, write_page_checksum=True, **_encodings(schema)) as writer,
    ):
        for frame in frames:
            writer.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False))
        # Parquet's own checksums leave out the headers of its pages
        end = file.tell()
        writer.add_key_value_metadata({PAGES_KEY: f"{end} {crc32_of(file, end):08x}"})
        file.seek(end)


def _encodings(schema):
    """Dictionaries for what repeats; for other numbers, building one would take most of the time of writing."""
    floats = [field.name for field in schema if pa.types.is_floating(field.type)]
    return {
        "use_dictionary": [field.name for field in schema if field.name not in floats],
        "use_byte_stream_split": floats,
        "compression": "zstd",
        "compression_level": 1,
    }


def _checksum(metadata, schema):
    """CRC-32 of what Parquet's own page checksums leave out."""
    # a list's items get another name in the file
    columns = [f"{field.name} {field.type}".replace("<element:", "<item:") for field in schema]
    return zlib.crc32(json.dumps([metadata, columns], sort_keys=True).encode())


def write_excluded(table, path, reason, provenance=None):
    """Write `table` without rows in place of a model's results; every later stage passes over the model.

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


def read_table(path, columns=None, students=None):
    """Read any table of the study as a DataFrame with plain columns.

    Args:
        path: the Parquet file, or the folder of its parts.
        columns: names of the columns to read; None for all. Columns that a table of an earlier version lacks are null.
        students: read the rows of these alone, without the rest of the file; a table with the column `student`.

    Raises:
        InputError: no such file, it is damaged, a part is missing, or it is not a table of this package.
    """
    return _read_filled(path, columns, students).to_pandas()


def read_arrays(path, columns):
    """Read columns of numbers as NumPy arrays, without the cost of a DataFrame; NaN where a value is missing.

    Args:
        path: the Parquet file.
        columns: names of the columns.

    Returns:
        List of arrays, one per column.

    Raises:
        InputError: as `read_table`.
    """
    rows = _read_filled(path, columns)
    return [rows[name].to_numpy() for name in columns]


def read_metadata(path):
    """Read the provenance that was written with a table, or with the first of its parts.

    Raises:
        InputError: as `read_table`.
    """
    return _open(_files_of(path)[0])[1]


def sample_of(paths):
    """Which sample of the models the tables show, in words; an empty text where they show all."""
    return next(filter(None, (read_metadata(path).get("sample") for path in paths)), "")


def _files_of(path):
    """The files of a table, in the order of its rows."""
    if not Path(path).is_dir():
        return [path]
    files = sorted(Path(path).glob(PART.format("*")))
    expected = _open(files[0])[1].get("parts") if files else None
    for number in range(expected or 1):
        if number >= len(files) or files[number].name != part_name(number):
            raise InputError(
                f"{path}/{part_name(number)}: missing; remove the folder {path} and make it again with: {_command_for(path)}"
            )
    return files


def part_name(number):
    """File name of a part of a table, counted from 0."""
    return PART.format(f"{number:05d}")


def _read_filled(path, columns=None, students=None):
    """Rows as an Arrow table; columns that a table of an earlier version lacks are null."""
    parts = [_read_part(file, columns, students) for file in _files_of(path)]
    return parts[0] if len(parts) == 1 else pa.concat_tables(parts)


def _read_part(path, columns, students):
    rows, metadata = _read(path, columns) if students is None else _read_students(path, columns, students)
    for field in SCHEMAS.get(metadata.get("table"), ()):
        if field.name not in rows.column_names and (columns is None or field.name in columns):
            rows = rows.append_column(field.name, pa.nulls(len(rows), field.type))
    return rows


def _read(path, columns=None):
    """Rows as an Arrow table, and the provenance."""
    file, metadata = _open(path)
    _check_pages(path, (file.metadata.metadata or {}).get(PAGES_KEY))
    try:
        return file.read(columns), metadata
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged(path, error) from None


def _read_students(path, columns, students):
    """As `_read`, the rows of some students; pages that hold none of them are not read."""
    _, metadata = _open(path)
    chosen = pc.field("student").isin(list(students))
    try:
        # the filter's own column may be one that is not asked for
        return pq.read_table(path, columns=columns, filters=chosen, page_checksum_verification=True), metadata
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged(path, error) from None


def _open(path):
    """The file, whose pages are checked as they are read, and its provenance."""
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
        schema = file.schema_arrow
        metadata = json.loads((schema.metadata or {}).get(METADATA_KEY, b"null"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such table; make it with: {_command_for(path)}") from None
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, error) from None
    if not isinstance(metadata, dict):
        raise InputError(f"{path}: was not written by transfer-atlas")
    # tables of the first versions have no checksum
    checksum = metadata.pop("checksum", None)
    of_first_versions = checksum is None and PAGES_KEY not in (file.metadata.metadata or {})
    if not of_first_versions and checksum != _checksum(metadata, schema):
        raise damaged(path, "its metadata is not what was written")
    return file, metadata


def _command_for(path):
    """The command that makes a table; the config of its study stands in the results folder."""
    configs = (folder / "config.yaml" for folder in Path(path).parents)
    config = next(filter(Path.is_file, configs), "<your study's config files>")
    return f"snakemake --cores 2 {path} --configfile {config}"


def _check_pages(path, written):
    """Read all before the footer against its CRC-32; tables of the first versions have none."""
    if written is None:
        return
    try:
        end, checksum = (int(part, base) for part, base in zip(written.split(), (10, 16), strict=True))
    except ValueError as error:
        raise damaged(path, error) from None
    with open(path, "rb") as file:
        if crc32_of(file, end) != checksum:
            raise damaged(path, "its checksum is another")


def gather(paths, table):
    """Concatenate small files of one table in the given order; returns the frame and the summed cost."""
    with ThreadPoolExecutor() as pool:
        tables, metadata = zip(*pool.map(_read, paths), strict=True)
    rows = [SCHEMAS[table].empty_table(), *(rows.replace_schema_metadata() for rows in tables)]
    frame = pa.concat_tables(rows, promote_options="default").to_pandas()
    seconds = sum(found.get("seconds", 0) for found in metadata)
    return frame, {"files": len(paths), "seconds_of_files": round(seconds, 3)}
