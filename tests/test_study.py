"""Config and zoo sheet: defaults are filled in, and each mistake gets one line that names it."""

import multiprocessing

import pytest
from conftest import SCHEMA, ZOO_SCHEMA

from transfer_atlas import study
from transfer_atlas.errors import InputError


def change(config, path, value):
    *parents, last = path.split(".")
    for key in parents:
        config = config[key]
    config[last] = value


def test_defaults_are_filled_in(config):
    del config["views"]
    study.check_study(config, SCHEMA)
    assert config["views"] == {"count": 1, "transforms": []}
    assert config["transfer"]["batch_norm"] == "frozen"
    assert config["transfer"]["methods"]["kl"]["temperature"] == 1.0
    assert config["zoo"]["recipes"]["plain"]["batch_size"] == 128


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("transfr", 1, "config: unknown key 'transfr'; did you mean transfer?"),
        ("transfer.epoch", 1, "config: unknown key 'transfer.epoch'; did you mean epochs?"),
        ("transfer.epochs", "5", "config: key 'transfer.epochs': '5' is not of type 'integer' (Passes over"),
        ("transfer.lr", 0, "config: key 'transfer.lr': 0 is less than or equal to the minimum of 0"),
        ("transfer.batch_norm", "off", "config: key 'transfer.batch_norm': 'off' is not one of frozen, train"),
        ("transfer.methods.kl.target", "techer", "'techer' is not one of teacher, student, most_confident"),
        (
            "transfer.methods.kl_dp",
            {"target": "most_confident"},
            "key 'transfer.methods.kl_dp': 'confidence' is missing",
        ),
        ("transfer.methods.kl.confidence", "label", "'confidence' needs target: most_confident"),
        ("transfer.methods.new", {}, "config: method 'new' has no target, so its label_weight must be 1"),
        ("pairs", {"students": ["a.b"]}, "config: key 'pairs': give either students and teachers or file"),
        ("views.transforms", [{"name": "RandomFlip"}], "'RandomFlip' is not one of RandomHorizontalFlip"),
    ],
)
def test_a_mistake_in_the_config_is_one_line(config, path, value, line):
    change(config, path, value)
    with pytest.raises(InputError) as error:
        study.check_study(config, SCHEMA)
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_zoo_sheet_is_read_with_types(sheet):
    path = sheet(
        ("a.x", "test_vit", '{"patch_size": 8}', "train:r", "32"),
        columns=("model", "architecture", "kwargs", "weights", "input_size"),
    )
    row = study.read_zoo(path, ZOO_SCHEMA, {"r": {}})["a.x"]
    assert row["kwargs"] == {"patch_size": 8}
    assert row["input_size"] == 32
    assert row["batch_size"] == 256


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ([("a.x", "net", "", "hub"), ("a.x", "net", "", "hub")], "row 3: model 'a.x' is named twice"),
        ([("a.x", "net", "", "train:lang")], "row 2: no training recipe 'lang' in zoo.recipes; did you mean long?"),
        ([("a.x", "net", "", "/no/file.pth")], "row 2: weights file '/no/file.pth' does not exist"),
        ([("a.x", "net", "{patch: 8}", "hub")], "row 2: column 'kwargs' should be object in JSON"),
        ([("nodot", "net", "", "hub")], "row 2: key 'model': 'nodot' does not match"),
        ([("a.x", "", "", "hub")], "row 2: 'architecture' is missing"),
        ([], "has no models"),
    ],
)
def test_a_mistake_in_the_sheet_names_its_row(sheet, rows, line):
    with pytest.raises(InputError) as error:
        study.read_zoo(sheet(*rows), ZOO_SCHEMA, {"long": {}})
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_column_is_named(sheet):
    path = sheet(("a.x", "net"), columns=("model", "architecture"))
    with pytest.raises(InputError, match=r"zoo.tsv: column 'weights' is missing"):
        study.read_zoo(path, ZOO_SCHEMA, {})


def test_the_row_of_a_model_overrides_the_geometry():
    default = {"input_size": 224, "crop_pct": 0.875, "crop_mode": "center", "interpolation": "bicubic"}
    geometry = study.geometry_of({"input_size": 384}, default)
    assert study.geometry_name(geometry) == "384px-0.875-center-bicubic"


def test_no_image_file_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"no file matches .*train-\*\.parquet"):
        study.dataset_files(tmp_path, "train-*.parquet")


def _hold_and_die(path):
    study.hold_lock(path)


def test_the_lock_is_exclusive_and_dies_with_its_process(tmp_path):
    path = tmp_path / "lock"
    process = multiprocessing.get_context("spawn").Process(target=_hold_and_die, args=(path,))
    process.start()
    process.join()
    study.hold_lock(path)
    with pytest.raises(InputError, match="another snakemake is running"):
        study.hold_lock(path)
