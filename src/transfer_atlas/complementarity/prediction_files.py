"""Files of predictions made elsewhere: Parquet, delimited text, JSON lines. Needs no torch."""

import csv
import gzip
import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from transfer_atlas.complementarity.class_names import to_text
from transfer_atlas.complementarity.prediction_arrays import Labels, is_array, load_arrays, read_arrays, row_ids
from transfer_atlas.complementarity.zoo_file import is_zoo_file, read_zoo_file
from transfer_atlas.errors import InputError, nearest, one_line

REQUIRED = ("image", "label", "prediction")
DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon"}


def read_models(files, columns, labels=None, image_pattern=None):
    """Yield (model, DataFrame with our column names, what the rows come from).

    Args:
        files: as in `import_predictions`.
        columns: as in `import_predictions`.
        labels: as in `import_predictions`.
        image_pattern: as in `import_predictions`.
    """
    labels = None if labels is None else read_labels(labels, columns, image_pattern)
    long, names = [], name_models(files)
    for file in files:
        if is_array(file):
            yield from read_arrays(file, names[file], labels)
            continue
        if is_zoo_file(file):
            for model, frame in read_zoo_file(file):
                yield model, _with_our_rows(frame, labels, image_pattern, file), f"model '{model}' of {file}"
            continue
        frame = read_prediction_file(file, columns, REQUIRED if labels is None else ("image", "prediction"))
        frame = _with_our_rows(frame, labels, image_pattern, file)
        if "model" in frame:
            long.append(frame)
        else:
            yield names[file], frame, file
    if long:
        frame = pd.concat(long, ignore_index=True)
        if frame["model"].isna().any():
            raise InputError(
                f"{columns['model']}: no model in row {frame['model'].isna().argmax() + 1} of the long table"
            )
        for model, rows in frame.groupby(frame["model"].astype(str).str.strip(), sort=False):
            yield model, rows.drop(columns="model"), f"model '{model}' of the long table"


def _with_our_rows(frame, labels, image_pattern, file):
    """The frame with the ids of its images as they are meant, and with the labels that stand in a file of their own."""
    frame = frame.assign(image=match_images(frame["image"], image_pattern, file))
    if labels is not None:
        # a column `label` of a file may be the name of the predicted class
        frame["label"] = to_text(frame["image"]).map(labels.by_image)
    return frame


def read_labels(file, columns, image_pattern=None):
    """Read the labels that stand in a file of their own: a table with image and label, or an array in the order of the rows.

    The columns of the table have these names, or those that `columns` gives them.

    Raises:
        InputError: it cannot be read, a column is missing, or an image comes twice.
    """
    if is_array(file):
        values = next(iter(load_arrays(file).values()))
        if values.ndim != 1:
            raise InputError(f"{file}: an array of shape {values.shape}; expected the labels, [images]")
        return Labels(row_ids(len(values)), pd.Series(values))
    frame = _read_label_table(file, columns, ("image", "label"))
    images = to_text(match_images(frame["image"], image_pattern, file))
    if images.duplicated().any():
        row = images.duplicated().idxmax()
        raise InputError(f"{file}, row {row}: image '{images[row]}' comes twice")
    return Labels(images.tolist(), frame["label"].reset_index(drop=True))


def _read_label_table(file, columns, needed):
    try:
        return read_prediction_file(file, {name: name for name in needed}, needed)
    except InputError as error:
        try:  # its columns may be called as in the predictions
            return read_prediction_file(file, columns, needed)
        except InputError:
            raise error from None


def name_models(files):
    """Model of each file: its name without suffixes, or that of its folder where several files have the same name."""
    stems = {file: Path(file).name.removesuffix(_suffixes(file)) for file in files}
    times = Counter(stems.values())
    return {file: stem if times[stem] == 1 else Path(file).parent.name for file, stem in stems.items()}


def _suffixes(file):
    suffixes = Path(file).suffixes
    return "".join(suffixes[-2:] if suffixes[-1:] == [".gz"] else suffixes[-1:])


def match_images(images, pattern, file):
    """The ids of images that a regular expression finds in a column; the column itself without one.

    Raises:
        InputError: a cell that it does not match.
    """
    if pattern is None:
        return images
    texts = to_text(images)
    found = texts.str.extract(pattern, expand=False)
    if (missed := found.isna() & texts.notna()).any():
        raise InputError(
            f"{file}, row {missed.idxmax()}: image '{texts[missed.idxmax()]}' does not match predictions.image_pattern {pattern}"
        )
    return found


def read_prediction_file(file, columns, required=REQUIRED):
    """Read the columns that the config maps, under the names of the predictions table; rows are numbered from 1.

    Raises:
        InputError: the file cannot be read, a row is longer or shorter than the header, or a column is missing.
    """
    theirs = {column: name for name, column in columns.items()}
    kind = _suffixes(file).lower().removesuffix(".gz")
    reader = {".parquet": _read_parquet, ".jsonl": _read_json_lines, ".ndjson": _read_json_lines}.get(kind, _read_text)
    try:
        frame, found, separator = reader(file, theirs)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read as a table ({one_line(error)})") from None
    frame = frame.rename(columns=theirs)
    for name in required:
        if name not in frame:
            missing = columns.get(name, name)
            raise InputError(
                f"{file}: no column '{missing}'{nearest(missing, found)} (columns{separator}: "
                f"{', '.join(found[:12])}); name the columns of your files under predictions.columns in the config"
            )
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    return frame


def _read_parquet(file, theirs):
    schema = pq.read_schema(file)
    # an index that pandas wrote is a column here
    frame = pq.read_table(file, columns=[name for name in schema.names if name in theirs]).to_pandas(
        ignore_metadata=True
    )
    return frame, schema.names, ""


def _read_json_lines(file, theirs):
    opened = gzip.open if str(file).lower().endswith(".gz") else open
    with opened(file, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines if line.strip()]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pd.DataFrame([{name: row.get(name) for name in names if name in theirs} for row in rows]), names, ""


def _read_text(file, theirs):
    """A delimited text file; every cell stays text, and a row that is longer than the header is an error."""
    with pa.input_stream(str(file)) as stream:
        first = stream.read(2**16)
    if first.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError("it is UTF-16; save it as UTF-8")
    header = first.decode("utf-8-sig", errors="replace").splitlines()[:1] or [""]
    delimiter = max(DELIMITERS, key=header[0].count)
    parse = pc.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    names = [name.strip() for name in next(csv.reader(header, delimiter=delimiter))]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"its header has the column '{twice}' twice")
    # one thread: only then an error names its line
    read = pc.ReadOptions(column_names=names, skip_rows=1, use_threads=False)
    convert = pc.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        include_columns=[name for name in names if name in theirs],
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
        null_values=["", "nan", "NaN"],
    )
    frame = pc.read_csv(str(file), read, parse, convert).to_pandas()
    return frame, names, f", separated by {DELIMITERS[delimiter]}"
