"""Predictions of a whole zoo in one file: written, read by the door, equal."""

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from test_page import study

from transfer_atlas.complementarity.imported import import_predictions, write_predictions
from transfer_atlas.complementarity.zoo_file import is_zoo_file, write_zoo_file
from transfer_atlas.errors import InputError
from transfer_atlas.logits.zoo_predictions import read_images, read_zoo_predictions

COLUMNS = {name: name for name in ("model", "image", "label", "prediction", "confidence")}


def zoo(tmp_path, names=None, unsure=()):
    """Write the predictions of four models, one file each and all in one; returns (Imported, file)."""
    predicted, *_ = study(models=4, images=500)
    confidence = np.random.default_rng(1).random(predicted.prediction.shape, np.float32)
    tables = tmp_path / "tables"
    tables.mkdir()
    for row in range(4):
        frame = {
            "image": [f"i{n:03d}" for n in range(500)],
            "label": predicted.labels,
            "prediction": predicted.prediction[row],
        }
        if row not in unsure:
            frame["confidence"] = confidence[row]
        frame = pd.DataFrame(frame)
        if names is not None:
            frame[["label", "prediction"]] = frame[["label", "prediction"]].map(names.__getitem__)
        frame.to_parquet(tables / f"m{row}.t.parquet")
    imported = import_predictions(sorted(tables.glob("*.parquet")), COLUMNS, "fail")
    write_predictions(imported, tmp_path / "imported", {})
    read = read_zoo_predictions(str(tmp_path / "imported"))
    file = tmp_path / "zoo.parquet"
    write_zoo_file(read, read_images(str(tmp_path / "imported")), imported.classes, file)
    return imported, file


@pytest.mark.parametrize("names", [None, [f"class {letter}" for letter in "abcdefg"]])
@pytest.mark.parametrize("unsure", [(), (2,), (0, 1, 2, 3)])
def test_a_zoo_in_one_file_comes_back_equal(tmp_path, names, unsure):
    imported, file = zoo(tmp_path, names, unsure)
    assert is_zoo_file(file)
    again = import_predictions([file], COLUMNS, "fail")
    assert again.fingerprint == imported.fingerprint
    pd.testing.assert_frame_equal(again.classes, imported.classes)
    assert list(again.predictions) == list(imported.predictions) == [f"m{row}.t" for row in range(4)]
    for model, table in imported.predictions.items():
        pd.testing.assert_frame_equal(again.predictions[model], table, check_dtype=False)


def test_other_files_and_a_damaged_one_are_no_zoo(tmp_path):
    _, file = zoo(tmp_path)
    assert not is_zoo_file(tmp_path / "tables/m0.t.parquet")
    file.write_bytes(file.read_bytes()[:-20])
    assert not is_zoo_file(file)
    with pytest.raises(InputError, match=r"zoo\.parquet: cannot be read as a table"):
        import_predictions([file], COLUMNS, "fail")


def test_a_zoo_stands_beside_files_of_single_models(tmp_path):
    _, file = zoo(tmp_path)
    table = pd.read_parquet(tmp_path / "tables/m0.t.parquet")
    table.to_parquet(tmp_path / "mine.parquet")
    both = import_predictions([file, tmp_path / "mine.parquet"], COLUMNS, "fail")
    assert list(both.predictions) == ["m0.t", "m1.t", "m2.t", "m3.t", "mine"]
    assert (
        both.models.set_index("model").loc["mine", "accuracy"] == both.models.set_index("model").loc["m0.t", "accuracy"]
    )


def test_others_read_it_without_this_package(tmp_path):
    imported, file = zoo(tmp_path)
    accuracy = duckdb.sql(f"""select avg((prediction['m1.t'] = label)::int) from '{file}'""").fetchall()[0][0]
    assert accuracy == imported.models.set_index("model").loc["m1.t", "accuracy"]
    assert pq.read_schema(file).names == ["image", "label", "prediction", "confidence"]
