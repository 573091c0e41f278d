"""Predictions from elsewhere: every fault is one line with model and image, or leaves the model out."""

import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from transfer_atlas.complementarity.imported import import_predictions, write_predictions
from transfer_atlas.complementarity.measures import compare_models
from transfer_atlas.errors import InputError
from transfer_atlas.logits.answers import read_answers
from transfer_atlas.store.tables import read_table, write_table
from transfer_atlas.study.sources import prediction_files

COLUMNS = {name: name for name in ("model", "image", "label", "prediction", "label_probability", "confidence")}
IMAGES = [f"img_{number:03d}" for number in range(60)]
NAMES = np.array(["cat", "dog", "NA"])


def made_elsewhere(seed, names=NAMES):
    generator = np.random.default_rng(seed)
    label = np.arange(60) % 3
    prediction = np.where(np.random.default_rng(seed + 100).random(60) < 0.7, label, (label + 1) % 3)
    frame = pd.DataFrame({"image": IMAGES, "label": names[label], "prediction": names[prediction]})
    return frame.sample(frac=1, random_state=generator.integers(1000))


@pytest.fixture
def files(tmp_path):
    """Write 300 models as CSV files after `change` has had its way with one of them; returns their paths."""

    def write(change=None, models=5, names=NAMES):
        paths = []
        for number in range(models):
            frame = made_elsewhere(number, names)
            if change is not None and number == models // 2:
                frame = change(frame.sort_values("image", ignore_index=True))
            paths.append(str(tmp_path / f"model_{number:03d}.csv"))
            frame.to_csv(paths[-1], index=False)
        return paths

    return write


def test_shuffled_rows_and_class_names_give_the_right_counts(files, tmp_path):
    imported = import_predictions(files(), COLUMNS, "fail")
    assert imported.classes["name"].tolist() == ["NA", "cat", "dog"]
    assert imported.classes["images"].tolist() == [20, 20, 20]
    write_predictions(imported, tmp_path / "p", {})
    answers = read_answers(str(tmp_path / "p"))
    assert answers.models == [f"model_{number:03d}" for number in range(5)]
    first, second = (made_elsewhere(number).sort_values("image") for number in (0, 1))
    wrong = first["prediction"].to_numpy() != first["label"].to_numpy()
    right = second["prediction"].to_numpy() == second["label"].to_numpy()
    row = compare_models(answers).iloc[0]
    assert row["positive_flips"] == pytest.approx((wrong & right).mean())
    assert np.isnan(row["confidence_accuracy"])
    assert imported.models["accuracy"][0] == pytest.approx(1 - wrong.mean())


def test_a_long_table_with_its_own_column_names_is_the_same(files, tmp_path):
    separate = import_predictions(files(names=np.array([0, 1, 2])), COLUMNS, "fail")
    long = pd.concat(
        made_elsewhere(number, np.array([0, 1, 2])).assign(net=f"model_{number:03d}", p=0.5) for number in range(5)
    )
    long.rename(columns={"label": "truth"}).to_parquet(tmp_path / "long.parquet")
    columns = {**COLUMNS, "model": "net", "label": "truth", "confidence": "p"}
    together = import_predictions([str(tmp_path / "long.parquet")], columns, "fail")
    assert list(together.predictions) == list(separate.predictions)
    for model, table in together.predictions.items():
        pd.testing.assert_frame_equal(
            table.drop(columns="confidence"), separate.predictions[model].drop(columns="confidence")
        )
    assert together.fingerprint == separate.fingerprint
    assert together.classes["name"].isna().all()


def test_the_classes_that_occur_are_numbered(files):
    """Ids of millions cost no memory, and their names keep what they were."""
    imported = import_predictions(files(names=np.array([7, 3_000_000_000, 12])), COLUMNS, "fail")
    assert imported.classes["name"].tolist() == ["7", "12", "3000000000"]
    assert imported.classes["images"].tolist() == [20, 20, 20]
    assert set(imported.predictions["model_000"]["prediction"]) <= {0, 1, 2}


def with_cell(column, row, value):
    def change(frame):
        frame[column] = frame[column].astype(object)
        frame.loc[row, column] = value
        return frame

    return change


FAULTS = {
    "NaN": (with_cell("prediction", 16, np.nan), "row 17, image 'img_016': prediction is missing or NaN"),
    "missing image": (lambda frame: frame.drop(index=[3, 4]), "image 'img_003' is missing, as are 2 of 60 images"),
    "other image": (with_cell("image", 5, "img_5"), "image 'img_005' is missing"),
    "extra image": (
        lambda frame: pd.concat([frame, frame.tail(1).assign(image="img_999")]),
        "image 'img_999' is not among the 60 images of most other models",
    ),
    "duplicate": (with_cell("image", 8, "img_007"), "row 9, image 'img_007': the image comes twice"),
    "label": (
        with_cell("label", 3, "dog"),
        "image 'img_003' has label 'dog', but 'cat' in most other models",
    ),
    "probability": (
        lambda frame: with_cell("confidence", 2, 1.5)(frame.assign(confidence=0.5)),
        "row 3, image 'img_002': confidence is not between 0 and 1",
    ),
    "no probability": (
        lambda frame: with_cell("confidence", 2, np.nan)(frame.assign(confidence=0.5)),
        "row 3, image 'img_002': confidence is missing or NaN",
    ),
}


@pytest.mark.parametrize(("fault", "models"), [*((fault, 3) for fault in FAULTS), ("NaN", 300), ("missing image", 300)])
def test_a_faulty_model_is_named_or_left_out(fault, models, files):
    change, line = FAULTS[fault]
    paths, culprit = files(change, models), f"model_{models // 2:03d}"
    with pytest.raises(InputError) as error:
        import_predictions(paths, COLUMNS, "fail")
    assert str(error.value).startswith(f"model {culprit}: {line}")
    assert "\n" not in str(error.value)
    imported = import_predictions(paths, COLUMNS, "exclude")
    assert culprit not in imported.predictions
    assert len(imported.predictions) == models - 1
    row = imported.models.set_index("model").loc[culprit]
    assert row["excluded"]
    assert line in row["remark"]


def test_excluded_models_are_in_the_tables_and_not_in_the_comparison(files, tmp_path):
    imported = import_predictions(files(FAULTS["NaN"][0]), COLUMNS, "exclude")
    write_table(imported.models, "models", tmp_path / "models.parquet")
    write_predictions(imported, tmp_path / "p", {})
    assert read_table(tmp_path / "models.parquet")["excluded"].tolist() == [False, False, True, False, False]
    assert len(read_table(tmp_path / "p/model_002.parquet")) == 0
    assert "model_002" not in read_answers(str(tmp_path / "p")).models


def test_a_model_that_always_says_the_same_gets_a_remark(files):
    models = import_predictions(files(lambda frame: frame.assign(prediction="cat")), COLUMNS, "fail").models
    assert models["remark"].notna().tolist() == [False, False, True, False, False]
    assert models["remark"][2] == "predicts the same class for every image"


def test_a_file_that_cannot_be_understood_ends_the_import(files, tmp_path):
    paths = files()
    with pytest.raises(InputError, match=r"model_000.csv: no column 'truth'; name the columns of your files under"):
        import_predictions(paths, {**COLUMNS, "label": "truth"}, "exclude")
    made_elsewhere(0).assign(model="a/b").to_csv(tmp_path / "long.tsv", sep="\t", index=False)
    with pytest.raises(InputError, match=r"model name 'a/b' may hold only letters"):
        import_predictions([str(tmp_path / "long.tsv")], COLUMNS, "exclude")
    made_elsewhere(0).assign(model="model_003").to_csv(tmp_path / "long.csv", index=False)
    with pytest.raises(InputError, match=r"model 'model_003' was given before"):
        import_predictions([*paths, str(tmp_path / "long.csv")], COLUMNS, "exclude")
    (tmp_path / "broken.parquet").write_text("no Parquet")
    with pytest.raises(InputError, match=r"broken.parquet: cannot be read as a table"):
        import_predictions([str(tmp_path / "broken.parquet")], COLUMNS, "exclude")


def test_files_are_found_before_anything_runs(files, tmp_path):
    paths = files()
    assert prediction_files(f"{tmp_path}/*.csv") == prediction_files(paths) == paths
    with pytest.raises(InputError, match=r"predictions.files: no file matches .*/\*.tsv"):
        prediction_files([f"{tmp_path}/*.tsv"])
    (tmp_path / "a.xlsx").touch()
    with pytest.raises(InputError, match=r"a.xlsx is none of .parquet, .csv, .tsv"):
        prediction_files(f"{tmp_path}/*.xlsx")


def test_answers_to_other_images_are_refused(files, tmp_path):
    imported = import_predictions(files(), COLUMNS, "fail")
    write_predictions(imported, tmp_path / "p", {})
    other = imported.predictions["model_001"].assign(label=0)
    write_table(other, "predictions", tmp_path / "p/model_001.parquet", {"fingerprint": "another"})
    with pytest.raises(InputError, match=r"model model_001: image 'img_000' has label '0', but '1' in most other"):
        read_answers(str(tmp_path / "p"))


def test_no_torch_is_needed():
    """The modules of a study of predictions import neither torch nor timm."""
    code = """
        import sys
        import transfer_atlas.complementarity.classes, transfer_atlas.complementarity.measures
        import transfer_atlas.complementarity.imported, transfer_atlas.study.pairs, transfer_atlas.study.plan
        from transfer_atlas.figures import complementarity, pair_matrix
        from transfer_atlas.store.provenance import Provenance
        Provenance().record()
        sys.exit(not {"torch", "timm", "torchvision"}.isdisjoint(sys.modules))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
