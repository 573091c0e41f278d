"""Predictions from elsewhere: every fault is one line with model and image, or leaves the model out."""

import gzip
import re
import subprocess
import sys
import textwrap
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

import transfer_atlas
from transfer_atlas.complementarity.imported import import_predictions, write_predictions
from transfer_atlas.complementarity.pair_table import compare_models
from transfer_atlas.datasets.embedded_study.copy import copy_tables
from transfer_atlas.errors import InputError
from transfer_atlas.logits.zoo_predictions import ZooPredictions, read_zoo_predictions, store_zoo_predictions
from transfer_atlas.store.tables import read_table, write_table
from transfer_atlas.study.prediction_sources import columns_of, labels_file, prediction_files

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
    predicted = read_zoo_predictions(str(tmp_path / "p"))
    assert predicted.models == [f"model_{number:03d}" for number in range(5)]
    first, second = (made_elsewhere(number).sort_values("image") for number in (0, 1))
    wrong = first["prediction"].to_numpy() != first["label"].to_numpy()
    right = second["prediction"].to_numpy() == second["label"].to_numpy()
    row = compare_models(predicted).iloc[0]
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
    assert "model_002" not in read_zoo_predictions(str(tmp_path / "p")).models


def test_a_model_that_always_says_the_same_gets_a_remark(files):
    models = import_predictions(files(lambda frame: frame.assign(prediction="cat")), COLUMNS, "fail").models
    assert models["remark"].notna().tolist() == [False, False, True, False, False]
    assert models["remark"][2] == "predicts the same class for every image"


def test_a_file_that_cannot_be_understood_ends_the_import(files, tmp_path):
    paths = files()
    with pytest.raises(
        InputError,
        match=r"model_000.csv: no column 'truth' \(columns, separated by comma: image, label, prediction\); name the columns of your files under",
    ):
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
        read_zoo_predictions(str(tmp_path / "p"))


def test_no_torch_is_needed():
    """The modules of a study of predictions import neither torch nor timm."""
    code = """
        import sys
        import transfer_atlas.complementarity.classes, transfer_atlas.complementarity.pair_table
        import transfer_atlas.complementarity.imported, transfer_atlas.study.pairs, transfer_atlas.study.plan
        from transfer_atlas.figures import complementarity, pair_matrix
        from transfer_atlas.store.provenance import Provenance
        Provenance().record()
        sys.exit(not {"torch", "timm", "torchvision"}.isdisjoint(sys.modules))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def write_tables(folder, **texts):
    """CSV files from their rows, under the header image, label, prediction."""
    folder.mkdir(exist_ok=True)
    for name, rows in texts.items():
        (folder / f"{name}.csv").write_text("image,label,prediction\n" + "".join(f"{row}\n" for row in rows))
    return [str(folder / f"{name}.csv") for name in texts]


def accuracies(paths, columns=COLUMNS):
    models = import_predictions(paths, columns, "fail").models
    return dict(zip(models["model"], models["accuracy"], strict=True))


ZEROS = ["x1,001,001", "x2,002,002", "x3,003,001"]
SURE = ["x1,True,True", "x2,False,False", "x3,True,False"]


@pytest.mark.parametrize(
    ("first", "second", "classes"),
    [
        (ZEROS, ["x1,001,001", "x2,002,002", "x3,003,none"], ["001", "002", "003", "none"]),
        (SURE, ["x1,TRUE,TRUE", "x2,FALSE,false", "x3,TRUE,unsure"], ["False", "True", "unsure"]),
        (["x1,1,1", "x2,2,2", "x3,3,1"], ["x1,1,1.0", "x2,2,2.0", "x3,3,none"], ["1", "2", "3", "none"]),
        (["x1,1,1", "x2,2,2", "x3,3,1"], ["x1,1.0,01", "x2,2.00,+2", "x3,3.0,4"], ["1", "2", "3", "4"]),
        (["x1,a ,a", "x2,b, b", "x3,c,a"], [" x1,a,a", "x2 ,b,b", "x3,c,b "], ["a", "b", "c"]),
        (
            ["x1,caf\u00e9,caf\u00e9", "x2,b,b", "x3,c,b"],
            ["x1,cafe\u0301,caf\u00e9", "x2,b,b", "x3,c,b"],
            ["b", "c", "caf\u00e9"],
        ),
    ],
    ids=["zeros", "truth", "floats", "numbers", "blanks", "accents"],
)
def test_classes_are_decided_once_for_all_files(tmp_path, first, second, classes):
    paths = write_tables(tmp_path / "d", a=first, b=second)
    assert accuracies(paths) == {"a": pytest.approx(2 / 3), "b": pytest.approx(2 / 3)}
    assert import_predictions(paths, COLUMNS, "fail").classes["name"].tolist() == classes


def test_classes_of_a_long_file_do_not_depend_on_its_parts(tmp_path):
    """pandas decides the type of a column by parts of some 100,000 rows."""
    rows = [f"i{n},{n % 7},{n % 7}" for n in range(400_000)]
    odd = [f"i{n},{n % 7},{'none' if n >= 399_995 else n % 7}" for n in range(400_000)]
    found = accuracies(write_tables(tmp_path / "d", a=rows, b=odd))
    assert found == {"a": 1.0, "b": pytest.approx(1 - 5 / 400_000)}


def test_a_parquet_file_of_decimals_has_the_same_classes(tmp_path):
    paths = write_tables(tmp_path / "d", a=["x1,1,1", "x2,2,2", "x3,3,1"])
    values = [Decimal("1.00"), Decimal("2.00"), Decimal("1.00")]
    frame = pd.DataFrame({"image": ["x1", "x2", "x3"], "label": [1, 2, 3], "prediction": values})
    frame.to_parquet(tmp_path / "d/b.parquet")
    assert accuracies([*paths, str(tmp_path / "d/b.parquet")]) == {"a": pytest.approx(2 / 3), "b": pytest.approx(2 / 3)}


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (
            ["x1,cat,0", "x2,dog,1"],
            "no prediction is a class that occurs as a label: the labels are such as 'cat', the pred",
        ),
        (["x1,0,0.93", "x2,1,0.5"], "row 1, image 'x1': prediction '0.93' is a number that is no class"),
        (["x1,0,1", "x2,1,1.5e-05"], "row 2, image 'x2': prediction '1.5e-05' is a number that is no class"),
        (["x1,1,[1 2]", "x2,2,[2 1]"], "row 1, image 'x1': prediction '[1 2]' is a list, not a class"),
        (["x1,cat,cat", "x2,dog,-1"], "row 2, image 'x2': prediction '-1' is not a class id"),
        (["x1,1,inf", "x2,2,1"], "row 1, image 'x1': prediction 'inf' is a number that is no class"),
        ([], "the table has a header and no rows"),
    ],
)
@pytest.mark.parametrize("on_error", ["fail", "exclude"])
def test_predictions_that_are_no_classes_are_refused(tmp_path, rows, line, on_error):
    paths = write_tables(tmp_path / "d", a=rows, b=["x1,0,0", "x2,1,1"], c=["x1,0,0", "x2,1,0"])
    if on_error == "fail":
        with pytest.raises(InputError) as error:
            import_predictions(paths, COLUMNS, "fail")
        assert line in str(error.value)
        assert "\n" not in str(error.value)
    else:
        models = import_predictions(paths, COLUMNS, "exclude").models.set_index("model")
        assert line in models.loc["a", "remark"]
        assert models.loc["b", "accuracy"] == 1


def test_lists_in_parquet_are_no_classes(tmp_path):
    frame = pd.DataFrame({"image": ["x1", "x2"], "label": [0, 1], "prediction": [[0.9, 0.1], [0.2, 0.8]]})
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match="model a: prediction holds lists, not classes"):
        import_predictions([str(tmp_path / "a.parquet")] * 1, COLUMNS, "fail")


GOOD = "image,label,prediction\nx1,0,0\nx2,1,0\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "\ufeff" + GOOD),
        ("a.csv", GOOD.replace(",", " , ")),
        ("a.csv", GOOD.replace(",", ";")),
        ("a.csv", GOOD.replace(",", "\t")),
        ("a.CSV", GOOD),
        ("a.csv.gz", GOOD),
        ("a.jsonl", '{"image": "x1", "label": 0, "prediction": 0}\n{"image": "x2", "label": 1, "prediction": 0}\n'),
    ],
    ids=["bom", "blanks", "semicolon", "tab", "upper", "gz", "jsonl"],
)
def test_tables_are_read_as_people_write_them(tmp_path, name, content):
    content = content.encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    paths = write_tables(tmp_path / "d", b=["x1,0,0", "x2,1,1"])
    assert accuracies(prediction_files([str(tmp_path / name), *paths])) == {"a": 0.5, "b": 1.0}


def test_files_of_one_name_are_named_after_their_folders(tmp_path):
    for model, prediction in (("one", 0), ("two", 1)):
        (tmp_path / model).mkdir()
        (tmp_path / model / "predictions.csv").write_text(f"image,label,prediction\nx1,0,0\nx2,1,{prediction}\n")
    assert accuracies(prediction_files(str(tmp_path / "*/predictions.csv"))) == {"one": 0.5, "two": 1.0}


@pytest.mark.parametrize("row", ["x2,1,1,", "x2,1,1,0.2,0.8", "x2,1"])
def test_a_row_that_does_not_fit_its_header_is_refused_with_its_line(tmp_path, row):
    (tmp_path / "a.csv").write_text(f"image,label,prediction\nx1,0,0\n{row}\nx3,1,1\n")
    with pytest.raises(InputError, match=r"a\.csv: cannot be read as a table \(.*Row #3: Expected 3 columns, got"):
        import_predictions([str(tmp_path / "a.csv")], COLUMNS, "fail")


def test_a_table_in_utf16_says_so(tmp_path):
    (tmp_path / "a.csv").write_text(GOOD, encoding="utf-16")
    with pytest.raises(InputError, match="it is UTF-16; save it as UTF-8"):
        import_predictions([str(tmp_path / "a.csv")], COLUMNS, "fail")


def test_arrays_are_compared_as_files_are(files):
    imported = import_predictions(files(), COLUMNS, "fail")
    frames = {f"model_{number:03d}": made_elsewhere(number).sort_values("image") for number in range(5)}
    labels = frames["model_000"]["label"]
    pairs = transfer_atlas.compare({name: frame["prediction"] for name, frame in frames.items()}, labels)
    table = next(iter(imported.predictions.values()))
    prediction = np.stack([frame["prediction"] for frame in imported.predictions.values()])
    confidence = np.full(prediction.shape, np.nan, np.float32)
    expected = compare_models(
        ZooPredictions(list(imported.predictions), table["label"].to_numpy(), prediction, confidence)
    )
    pd.testing.assert_frame_equal(pairs, expected, check_dtype=False)


def test_probabilities_and_logits_are_predictions_with_confidences():
    logits = np.random.default_rng(0).normal(size=(2, 40, 5))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    labels = np.arange(40) % 5
    one, other = (
        transfer_atlas.compare({"a": scores[0], "b": scores[1]}, labels) for scores in (logits, probabilities)
    )
    pd.testing.assert_frame_equal(one, other)
    assert one["confidence_accuracy"].notna().all()
    with pytest.raises(InputError, match="model b: 39 predictions for 40 labels"):
        transfer_atlas.compare({"a": logits[0], "b": logits[1, :39]}, labels)
    with pytest.raises(InputError, match="1 of 1 models have predictions that can be used; a comparison needs two"):
        transfer_atlas.compare({"a": logits[0]}, labels)


def test_the_lines_of_the_readme_run(tmp_path, monkeypatch):
    copy_tables(tmp_path / "results/embedded")
    monkeypatch.chdir(tmp_path)
    code = [block for block in re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)]
    generator = np.random.default_rng(0)
    names = {name: generator.integers(0, 4, 30) for name in ("mine", "other", "labels")}
    for block in code:
        if "compare(" in block:
            exec(block, {"transfer_atlas": transfer_atlas} | names)
    assert any("compare(" in block for block in code)


def test_brackets_and_a_tilde_in_paths_are_no_patterns(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "run [1]").mkdir()
    path = tmp_path / "run [1]/a.csv"
    path.write_text(GOOD)
    assert prediction_files(str(path)) == prediction_files("~/run [1]/a.csv") == [str(path)]


def test_braces_in_paths_are_refused(tmp_path):
    (tmp_path / "run {x}").mkdir()
    path = tmp_path / "run {x}/a.csv"
    path.write_text(GOOD)
    with pytest.raises(
        InputError, match=r"^predictions.files: .* has braces, which Snakemake takes for wildcards; rename"
    ):
        prediction_files(str(path.with_name("*.csv")))
    with pytest.raises(InputError, match=r"^predictions.labels: .* has braces"):
        labels_file({"labels": str(path)}, [])


def test_a_column_that_the_files_do_not_have_is_null():
    given = {"columns": {**COLUMNS, "confidence": None, "accepted": "label"}}
    assert columns_of(given) == {name: name for name in COLUMNS if name != "confidence"} | {"accepted": "label"}
    assert "label" not in columns_of({"labels": "labels.csv", "columns": {**COLUMNS, "label": None}})


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"image": None}, "predictions.columns.image: is null, but this column is needed"),
        ({"label": None}, "predictions.columns.label: is null, but this column is needed"),
        ({"prediction": "label"}, "predictions.columns: label and prediction are both 'label'"),
    ],
)
def test_columns_that_cannot_be_are_refused(change, line):
    with pytest.raises(InputError, match=re.escape(line)):
        columns_of({"columns": COLUMNS | change})


def test_two_sets_of_images_in_one_glob_are_told(files):
    paths = files(models=5)
    for path in paths[3:]:
        frame = pd.read_csv(path, keep_default_na=False)
        frame.assign(image="other_" + frame["image"]).to_csv(path, index=False)
    line = "the files hold two sets of images: 3 models have the one, 2 models (model_003, model_004) the other"
    with pytest.raises(InputError, match=re.escape(line)):
        import_predictions(paths, COLUMNS, "fail")


@pytest.mark.parametrize(("largest", "kind"), [(2**15 - 1, np.int16), (2**15, np.int32)])
def test_classes_take_16_bits_where_they_fit(tmp_path, largest, kind):
    classes = np.array([0, 7, largest])
    for model in ("a.t", "b.t"):
        rows = {"image": ["x", "y", "z"], "label": classes, "prediction": classes, "correct": True, "confidence": 0.5}
        write_table(
            pd.DataFrame(rows | {"label_probability": 0.5}),
            "predictions",
            tmp_path / f"p/{model}.parquet",
            {"fingerprint": "f"},
        )
    paths = sorted((tmp_path / "p").glob("*.parquet"))
    for found in (read_zoo_predictions(paths), store_zoo_predictions(paths, tmp_path)):
        assert found.prediction[:].dtype == kind
        np.testing.assert_array_equal(found.prediction[:], [classes, classes])
