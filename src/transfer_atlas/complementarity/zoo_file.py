"""All predictions of a zoo in one Parquet file, to be shared: a row per image, a column per model. Needs no torch.

Columns: image, text; label, text or integer; prediction, a struct with a field per model, its class as in label; confidence,
likewise, the largest probability as float32, where the models have given it.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from transfer_atlas.store.files import atomic

KIND = {b"transfer_atlas_zoo": b"1"}  # the version of the format


def write_zoo_file(predicted, images, classes, path):
    """Write the predictions of all models as one file.

    Args:
        predicted: ZooPredictions.
        images: ids of the images, in their order.
        classes: the classes table; where classes have names, these stand in the file.
        path: where to write.
    """
    names = None if classes["name"].isna().any() else classes["name"].to_numpy(object)
    arrays = {"image": pa.array(images, pa.string()), "label": _classes(predicted.labels, names)}
    arrays["prediction"] = _struct(predicted.models, [_classes(row, names) for row in predicted.prediction])
    known = [row for row, confidence in enumerate(predicted.confidence) if not np.isnan(confidence).any()]
    if known:
        confidences = [pa.array(predicted.confidence[row], pa.float32()) for row in known]
        arrays["confidence"] = _struct([predicted.models[row] for row in known], confidences)
    table = pa.table(arrays).replace_schema_metadata(KIND)
    floats = [f"confidence.{predicted.models[row]}" for row in known]
    dictionary = ["image", "label", *(f"prediction.{model}" for model in predicted.models)]
    with atomic(path) as partial:
        pq.write_table(
            table,
            partial,
            compression="zstd",
            compression_level=9,
            use_dictionary=dictionary,
            use_byte_stream_split=floats,
        )


def _classes(values, names):
    """Classes as integers, or by name."""
    if names is None:
        return pa.array(values, pa.int32())
    return pa.DictionaryArray.from_arrays(pa.array(values, pa.int32()), pa.array(names, pa.string()))


def _struct(models, columns):
    return pa.StructArray.from_arrays(columns, names=models)


def is_zoo_file(file):
    """Whether a file of predictions is one that `write_zoo_file` has written."""
    if Path(file).suffix.lower() != ".parquet":
        return False
    try:
        metadata = pq.read_schema(file).metadata or {}
    except (pa.ArrowException, OSError):
        return False  # read_prediction_file says why it cannot be read
    return KIND.items() <= metadata.items()


def read_zoo_file(file):
    """Yield (model, DataFrame with image, label, prediction and perhaps confidence) of each model."""
    table = pq.read_table(file)
    shared = table.select(["image", "label"]).to_pandas()
    confidences = table["confidence"].combine_chunks() if "confidence" in table.column_names else None
    predictions = table["prediction"].combine_chunks()
    known = set() if confidences is None else {field.name for field in confidences.type}
    for field in predictions.type:
        frame = shared.assign(prediction=predictions.field(field.name).to_pandas())
        frame.index += 1  # rows count from 1, as in other files
        if field.name in known:
            frame["confidence"] = confidences.field(field.name).to_numpy(zero_copy_only=False)
        yield field.name, frame
