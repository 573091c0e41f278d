"""Several right classes per image, by hand and by brute force."""

import numpy as np
import pandas as pd
import pytest
import yaml
from running import copy_repository, snakemake

from transfer_atlas.complementarity.accepted import accepted_matrix, read_accepted_labels
from transfer_atlas.complementarity.pair_table import compare_models
from transfer_atlas.errors import InputError
from transfer_atlas.logits.zoo_predictions import ZooPredictions
from transfer_atlas.store.tables import read_table

COLUMNS = {"image": "image", "accepted": "accepted"}
IMAGES = pd.Series(["a", "b", "c", "d"])


def classes_of(names):
    return pd.DataFrame({"class": range(len(names)), "name": names, "images": 1})


@pytest.mark.parametrize("names", [[None] * 3, ["0", "1", "2"]])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_lists_and_texts_of_classes_are_read_in_the_order_of_the_images(names, suffix, tmp_path):
    file = tmp_path / f"accepted.{suffix}"
    if suffix == "csv":
        file.write_text('image,accepted\nd,"2, 0"\nb,1\nx,1\nc,\na,[0 2 7]\n')
    else:
        lists = [[2, 0], [1], [1], [], [0, 2, 7]]
        pd.DataFrame({"image": list("dbxca"), "accepted": lists}).to_parquet(file)
    table = read_accepted_labels(str(file), COLUMNS, None, IMAGES, classes_of(names))
    assert table["image"].tolist() == IMAGES.tolist()
    # class 7 is none of the study's, nobody accepted one for c, and x is no image of the study
    assert table["accepted"].tolist() == [[0, 2], [1], [], [0, 2]]


def test_names_may_hold_blanks(tmp_path):
    file = tmp_path / "accepted.csv"
    file.write_text("image,accepted\na,great white shark; tench\nb,tench\n")
    table = read_accepted_labels(str(file), COLUMNS, None, IMAGES, classes_of(["great white shark", "tench"]))
    assert table["accepted"].tolist() == [[0, 1], [1], [], []]


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ("x,1\ny,2\n", "no image is one of the predictions' \\(such as 'x' here and 'a' there"),
        ("a,9\nb,cat\n", "no accepted class is one of the predictions' \\(such as '9'"),
        ("a,1\na,2\n", "row 2: image 'a' comes twice"),
    ],
)
def test_a_table_that_does_not_fit_is_one_line(rows, fault, tmp_path):
    file = tmp_path / "accepted.csv"
    file.write_text("image,accepted\n" + rows)
    with pytest.raises(InputError, match=f"accepted.csv.*{fault}"):
        read_accepted_labels(str(file), COLUMNS, None, IMAGES, classes_of([None] * 3))


@pytest.mark.parametrize("images", [1, 64, 65, 300])
def test_flips_by_accepted_labels_equal_brute_force(images):
    generator = np.random.default_rng(images)
    labels, prediction = generator.integers(0, 4, images), generator.integers(0, 4, (5, images))
    accepted = [sorted(set(generator.integers(0, 4, generator.integers(0, 4)).tolist())) for _ in range(images)]
    predicted = ZooPredictions(
        [f"m{n}" for n in range(5)], labels, prediction, np.full((5, images), np.nan, np.float32)
    )
    right, judged = accepted_matrix(predicted.prediction, accepted)
    assert [[bool(p in a) for p, a in zip(row, accepted, strict=True)] for row in prediction] == right.tolist()
    table = compare_models(predicted, accepted=accepted).set_index(["student", "teacher"])
    for (student, teacher), row in table.iterrows():
        s, t = int(student[1]), int(teacher[1])
        flips = (prediction[s] != labels) & (prediction[t] == labels) & judged
        assert row["accepted_images"] == judged.sum()
        if judged.any():
            assert row["accepted_flips"] == pytest.approx((~right[s] & right[t] & judged).sum() / judged.sum())
        if flips.any():
            assert row["student_accepted"] == pytest.approx((flips & right[s]).sum() / flips.sum())


def test_a_study_counts_by_accepted_labels_with_a_config_alone(tmp_path):
    clone, generator = copy_repository(tmp_path / "clone"), np.random.default_rng(0)
    images, labels = [f"i{n:03d}" for n in range(100)], generator.integers(0, 3, 100)
    (clone / "d").mkdir()
    for model in "abc":
        prediction = np.where(generator.random(100) < 0.7, labels, generator.integers(0, 3, 100))
        table = pd.DataFrame({"image": images, "label": labels, "prediction": prediction})
        table.to_csv(clone / f"d/{model}.csv", index=False)
    both = [f"{label} {(label + 1) % 3}" for label in labels]
    pd.DataFrame({"image": images, "real": both}).to_csv(clone / "real.csv", index=False)
    study = {"files": "d/*.csv", "accepted_labels": "real.csv", "columns": {"accepted": "real"}}
    (clone / "x.yaml").write_text(yaml.safe_dump({"study": "x", "predictions": study}))
    snakemake(clone, "results/x/complementarity.parquet", overlay="x.yaml")
    table = read_table(clone / "results/x/complementarity.parquet")
    assert (table["accepted_images"] == 100).all()
    assert (table["accepted_flips"] < table["positive_flips"]).all()
    assert table["student_accepted"].between(0.1, 0.9).all()
    (clone / "x.yaml").write_text(yaml.safe_dump({"study": "x", "predictions": study | {"accepted_labels": "no.csv"}}))
    done = snakemake(clone, "-n", overlay="x.yaml", check=False)
    assert "predictions.accepted_labels: no file no.csv" in done.stdout + done.stderr
