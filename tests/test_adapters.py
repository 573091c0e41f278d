"""Predictions as other tools write them go through the door with a config alone, and give the counts of brute force."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.special import softmax

from transfer_atlas.complementarity.imported import import_predictions
from transfer_atlas.errors import InputError
from transfer_atlas.study.prediction_sources import labels_file, prediction_files

COLUMNS = {name: name for name in ("model", "image", "label", "prediction", "label_probability", "confidence")}
FILES = [f"val/n{number % 4:08d}/ILSVRC2012_val_{number:08d}.JPEG" for number in range(40)]
LABELS = np.arange(40) % 4
GENERATOR = np.random.default_rng(0)
LOGITS = {name: GENERATOR.normal(size=(40, 4)) + 1.5 * np.eye(4)[LABELS] for name in ("resnet50.a1_in1k", "vit_b")}
RIGHT = {name: (logits.argmax(axis=1) == LABELS).mean() for name, logits in LOGITS.items()}


@pytest.fixture
def labels(tmp_path):
    """A table of labels in an order of its own."""
    table = pd.DataFrame({"image": [file.rpartition("/")[2] for file in FILES], "label": LABELS})
    table.sample(frac=1, random_state=0).to_csv(tmp_path / "labels.csv", index=False)
    return str(tmp_path / "labels.csv")


def timm_inference(logits, topk, separate, class_names):
    """The table that timm's inference.py writes: the k first classes with names and probabilities, by file name."""
    order = np.argsort(-logits, axis=1)[:, :topk]
    shares = np.take_along_axis(softmax(logits, axis=1), order, axis=1)
    table = {"filename": [file.rpartition("/")[2] for file in FILES]}
    if separate and topk > 1:
        table |= {f"index_{place}": order[:, place] for place in range(topk)}
        table |= {f"prob_{place}": shares[:, place] for place in range(topk)}
    else:
        table |= {"index": list(order.squeeze(-1) if topk == 1 else order)}
        table |= {"prob": list(shares.squeeze(-1) if topk == 1 else shares)}
    names = np.array(class_names)[order]
    return pd.DataFrame(table | {"label": list(names.squeeze(-1) if topk == 1 else names)}).set_index("filename")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize(("topk", "separate", "suffix"), [(1, False, ""), (3, True, "_0")])
def test_what_timms_inference_writes(tmp_path, labels, kind, topk, separate, suffix):
    """Its column `label` is the name of the predicted class, and is not read as the label of the image."""
    for name, logits in LOGITS.items():
        table = timm_inference(logits, topk, separate, ["tench", "shark", "ray", "cock"])
        path = tmp_path / f"{name}.{kind}"
        table.to_csv(path) if kind == "csv" else table.to_parquet(path)
    files = prediction_files(str(tmp_path / f"*.{kind}"))
    files = [file for file in files if file != labels]
    columns = COLUMNS | {"image": "filename", "prediction": f"index{suffix}", "confidence": f"prob{suffix}"}
    imported = import_predictions(files, columns, "fail", labels)
    assert imported.models.set_index("model")["accuracy"].to_dict() == pytest.approx(RIGHT)
    table = imported.predictions["vit_b"]
    expected = dict(
        zip([file.rpartition("/")[2] for file in FILES], softmax(LOGITS["vit_b"], axis=1).max(axis=1), strict=True)
    )
    assert table["confidence"].to_numpy() == pytest.approx([expected[image] for image in table["image"]], rel=1e-5)


def test_lists_of_classes_are_refused_with_the_cure(tmp_path, labels):
    for name, logits in LOGITS.items():
        timm_inference(logits, 3, False, list("abcd")).to_parquet(tmp_path / f"{name}.parquet")
    columns = COLUMNS | {"image": "filename", "prediction": "index", "confidence": "prob"}
    with pytest.raises(InputError, match=r"prediction holds lists, not classes; .* --results-separate-col"):
        import_predictions(prediction_files(str(tmp_path / "*.parquet")), columns, "fail", labels)


@pytest.mark.parametrize("values", ["classes", "logits", "probabilities"])
@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_arrays_of_numpy(tmp_path, values, kind):
    of = {"classes": lambda x: x.argmax(axis=1), "logits": lambda x: x, "probabilities": lambda x: softmax(x, axis=1)}[
        values
    ]
    arrays = {name: of(logits) for name, logits in LOGITS.items()}
    if kind == "npz":
        np.savez(tmp_path / "all.npz", **arrays)
    else:
        for name, array in arrays.items():
            np.save(tmp_path / f"{name}.npy", array)
    files = prediction_files(str(tmp_path / f"*.{kind}"))
    np.save(tmp_path / "labels.npy", LABELS)
    labels = labels_file({"labels": str(tmp_path / "labels.npy")}, files)
    imported = import_predictions(files, COLUMNS, "fail", labels)
    assert imported.models.set_index("model")["accuracy"].to_dict() == pytest.approx(RIGHT)
    assert imported.predictions["vit_b"]["confidence"].isna().all() == (values == "classes")


def test_a_data_set_of_hugging_face(tmp_path):
    """`datasets` writes Parquet with a schema of its own in the metadata."""
    for name, logits in LOGITS.items():
        table = pa.table({"id": FILES, "label": LABELS, "predicted": logits.argmax(axis=1)})
        table = table.replace_schema_metadata({"huggingface": '{"info": {"features": {}}}'})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    columns = COLUMNS | {"image": "id", "prediction": "predicted"}
    imported = import_predictions(prediction_files(str(tmp_path / "*.parquet")), columns, "fail")
    assert imported.models.set_index("model")["accuracy"].to_dict() == pytest.approx(RIGHT)


def test_an_experiment_with_35_observers_whose_ids_carry_trial_numbers(tmp_path):
    """One long table as experiments on the perception of images publish: sessions, trials, responses and missed ones."""
    generator, rows, right = np.random.default_rng(1), [], {}
    categories = np.array(["airplane", "bear", "boat", "cat"])
    for number in range(35):
        observer = f"subject-{number:02d}"
        responses = np.where(generator.random(40) < 0.8, LABELS, (LABELS + 1) % 4)
        answered = np.where(generator.random(40) < 0.05, "na", categories[responses])
        right[observer] = (answered == categories[LABELS]).mean()
        for trial, place in enumerate(generator.permutation(40), start=1):
            image = f"{trial:04d}_cl_s{number:02d}_cr_{categories[LABELS[place]]}_{place:05d}.png"
            rows.append(
                (observer, 1 + trial // 20, trial, 0.7, answered[place], categories[LABELS[place]], "cr", image)
            )
    columns = ["subj", "session", "trial", "rt", "object_response", "category", "condition", "imagename"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "experiment.csv", index=False)
    ours = {"model": "subj", "image": "imagename", "label": "category", "prediction": "object_response"}
    pattern = r"^\d+_cl_s\d+_(.*)$"
    files = [str(tmp_path / "experiment.csv")]
    imported = import_predictions(files, COLUMNS | ours, "fail", image_pattern=pattern)
    assert imported.models.set_index("model")["accuracy"].to_dict() == pytest.approx(right)
    assert imported.predictions["subject-00"]["image"].iloc[0] == "cr_airplane_00000.png"
    with pytest.raises(
        InputError, match=r"experiment\.csv, row 1: image '0001_cl_s00_.*' does not match predictions\.image_pattern x"
    ):
        import_predictions(files, COLUMNS | ours, "fail", image_pattern="x(.*)")


def test_folders_are_stripped_on_both_sides(tmp_path, labels):
    for name, logits in LOGITS.items():
        pd.DataFrame({"image": FILES, "prediction": logits.argmax(axis=1)}).to_csv(
            tmp_path / f"{name}.csv", index=False
        )
    files = [str(tmp_path / f"{name}.csv") for name in LOGITS]
    imported = import_predictions(files, COLUMNS, "fail", labels, r"([^/]+)$")
    assert imported.models.set_index("model")["accuracy"].to_dict() == pytest.approx(RIGHT)
    with pytest.raises(InputError, match="label is missing or NaN"):  # no image of the predictions is in the table
        import_predictions(files, COLUMNS, "fail", labels)


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ({"image_pattern": "("}, r"predictions\.image_pattern: \( is no regular expression"),
        ({"image_pattern": "a"}, r"predictions\.image_pattern: a has 0 groups; put the id"),
        ({"labels": "none.csv"}, r"predictions\.labels: no file none\.csv"),
        ({"labels": __file__}, r"predictions\.labels: .* is none of \.parquet"),
        ({}, r"predictions\.files: the array a\.npy has no labels; name a file of them in predictions\.labels"),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(section, line):
    with pytest.raises(InputError, match=line):
        labels_file(section, ["a.npy"])


def test_arrays_that_do_not_fit_are_one_line(tmp_path):
    np.save(tmp_path / "labels.npy", LABELS)
    (tmp_path / "text.npy").write_text("no array")
    np.save(tmp_path / "cube.npy", np.zeros((40, 2, 2)))
    np.save(tmp_path / "short.npy", LABELS[:-1])
    np.save(tmp_path / "objects.npy", np.array([{}] * 40), allow_pickle=True)
    for name, line in {
        "text": r"text\.npy: cannot be read as an array",
        "cube": r"cube: an array of shape \(40, 2, 2\); expected \[images\] or \[images, classes\]",
        "short": "short: 39 predictions for 40 labels",
        "objects": r"objects\.npy: cannot be read as an array",
    }.items():
        with pytest.raises(InputError, match=line):
            import_predictions([str(tmp_path / f"{name}.npy")], COLUMNS, "fail", str(tmp_path / "labels.npy"))


def test_a_faulty_table_of_labels_is_what_the_line_is_about(tmp_path):
    """Whatever the predictions call their columns."""
    (tmp_path / "labels.csv").write_text("image,label\na,1\nb,1,2\n")
    pd.DataFrame({"filename": ["a", "b"], "index": [1, 1]}).to_csv(tmp_path / "m.csv", index=False)
    columns = COLUMNS | {"image": "filename", "prediction": "index"}
    with pytest.raises(InputError, match=r"labels\.csv: cannot be read as a table .*Row #3: Expected 2 columns"):
        import_predictions([str(tmp_path / "m.csv")], columns, "fail", str(tmp_path / "labels.csv"))


def test_a_table_of_labels_may_have_the_names_of_the_predictions(tmp_path):
    for name, logits in LOGITS.items():
        table = pd.DataFrame({"filename": FILES, "index": logits.argmax(axis=1)})
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    pd.DataFrame({"filename": FILES, "truth": LABELS}).to_csv(tmp_path / "labels.csv", index=False)
    columns = COLUMNS | {"image": "filename", "prediction": "index", "label": "truth"}
    files = [str(tmp_path / f"{name}.csv") for name in LOGITS]
    imported = import_predictions(files, columns, "fail", str(tmp_path / "labels.csv"))
    assert imported.models.set_index("model")["accuracy"].to_dict() == pytest.approx(RIGHT)
