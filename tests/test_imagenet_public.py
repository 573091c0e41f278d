"""The public ImageNet predictions: the layout of their source is read right, and counts equal brute force."""

import json
import subprocess

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from transfer_atlas.complementarity.accepted import accepted_matrix, read_accepted_labels
from transfer_atlas.complementarity.imported import import_predictions, write_predictions
from transfer_atlas.complementarity.pair_table import compare_models
from transfer_atlas.datasets.imagenet_public import convert, convert_real_labels, take_repository
from transfer_atlas.errors import InputError
from transfer_atlas.logits.zoo_predictions import read_zoo_predictions

ANSWERS = ROOT.parent / "shared/assets/imagenet_answers/predictions"
COLUMNS = {name: name for name in ("model", "image", "label", "prediction", "label_probability", "confidence")}
NETWORKS = ("alexnet_pytorch", "resnet50_pytorch", "resnet50_keras", "nasnetlarge_keras", "vgg16_keras")
needs_answers = pytest.mark.skipif(not ANSWERS.is_dir(), reason=f"needs the public predictions in {ANSWERS}")


@pytest.fixture
def repositories(tmp_path):
    """The two repositories in small: 40 images of 4 classes, two networks whose five columns are shuffled."""
    generator = np.random.default_rng(0)
    labels, answers = tmp_path / "label-errors", tmp_path / "benchmarking-keras-pytorch"
    for folder in (labels / "original_test_labels", labels / "resources"):
        folder.mkdir(parents=True)
    label = np.repeat(np.arange(4), 10)
    np.save(labels / "original_test_labels/imagenet_val_set_original_labels.npy", label)
    files = [f"val/n{c:08d}/ILSVRC2012_val_{n:08d}.JPEG" for n, c in enumerate(label)]
    (labels / "resources/imagenet_val_set_index_to_filepath.json").write_text(json.dumps(files))
    for name, framework in (("vgg16", "keras"), ("vgg16", "pytorch")):
        classes = np.stack([generator.permutation(5) for _ in range(40)])
        probabilities = generator.dirichlet(np.ones(6), 40)[:, :5].astype(np.float32)
        (answers / f"{framework}_imagenet").mkdir(parents=True)
        stem = answers / f"{framework}_imagenet/{name}_{framework}_imagenet_top5"
        np.save(f"{stem}preds.npy", classes)
        np.save(f"{stem}probs.npy", probabilities)
    return answers, labels


def test_the_prediction_is_the_class_with_the_largest_probability(repositories):
    tables = dict(convert(*repositories))
    assert set(tables) == {"vgg16_keras", "vgg16_pytorch"}
    classes = np.load(repositories[0] / "keras_imagenet/vgg16_keras_imagenet_top5preds.npy")
    probabilities = np.load(repositories[0] / "keras_imagenet/vgg16_keras_imagenet_top5probs.npy")
    table = tables["vgg16_keras"]
    for row in range(40):
        assert table["prediction"][row] == max(zip(probabilities[row], classes[row], strict=True))[1]
    assert table["image"][3] == "ILSVRC2012_val_00000003"
    assert table["confidence"].tolist() == probabilities.max(axis=1).tolist()


def test_a_folder_without_predictions_is_one_line(repositories, tmp_path):
    with pytest.raises(InputError, match=r"top5preds\.npy; it should be https://github\.com/cgnorthcutt"):
        list(convert(tmp_path / "nothing", repositories[1]))


def test_a_repository_of_another_commit_is_refused(tmp_path):
    subprocess.run(["git", "init", "--quiet", tmp_path / "label-errors"], check=True)
    with pytest.raises(InputError, match="has no commit 6d5d6b31; it should be a clone of"):
        take_repository(tmp_path, "label-errors")


@needs_answers
def test_counts_of_public_networks_equal_brute_force(tmp_path):
    imported = import_predictions([str(ANSWERS / f"{name}.parquet") for name in NETWORKS], COLUMNS, "fail")
    write_predictions(imported, tmp_path / "p", {})
    pairs = compare_models(read_zoo_predictions(str(tmp_path / "p"))).set_index(["student", "teacher"])
    read = {name: pd.read_parquet(ANSWERS / f"{name}.parquet").sort_values("image") for name in NETWORKS}
    for student in NETWORKS:
        for teacher in set(NETWORKS) - {student}:
            one, other = read[student], read[teacher]
            row = pairs.loc[(student, teacher)]
            wrong, right = one["prediction"] != one["label"], other["prediction"].values == other["label"].values
            flips = one["label"][wrong & right].value_counts()
            assert row["positive_flips"] == (wrong & right).mean()
            assert row["same_prediction"] == (one["prediction"].values == other["prediction"].values).mean()
            assert row["flip_entropy"] == pytest.approx(-(flips / flips.sum() * np.log(flips / flips.sum())).sum())
            surer = np.where(one["confidence"].values > other["confidence"].values, ~wrong, right)
            equal = one["confidence"].values == other["confidence"].values
            surer = np.where(equal, ((~wrong).astype(float) + right) / 2, surer)
            assert row["confidence_accuracy"] == pytest.approx(surer.mean())


@needs_answers
def test_accuracies_are_the_published_ones():
    """Of the source's own README, to the digit."""
    published = {"nasnetlarge_keras": 0.8083, "resnet50_pytorch": 0.7506, "alexnet_pytorch": 0.5450}
    imported = import_predictions([str(ANSWERS / f"{name}.parquet") for name in published], COLUMNS, "fail")
    found = dict(zip(imported.models["model"], imported.models["accuracy"], strict=True))
    assert {name: round(accuracy, 4) for name, accuracy in found.items()} == published


def test_real_labels_are_in_the_order_of_the_ids(tmp_path):
    lists = [[number % 7, 9] if number % 3 else [] for number in range(50_000)]
    (tmp_path / "real.json").write_text(json.dumps(lists))
    table = convert_real_labels(tmp_path / "real.json")
    assert table["image"].iloc[[0, -1]].tolist() == ["ILSVRC2012_val_00000001", "ILSVRC2012_val_00050000"]
    assert table["accepted"].tolist() == lists
    (tmp_path / "real.json").write_text("[[1]]")
    with pytest.raises(InputError, match="labels of 1 images instead of 50,000"):
        convert_real_labels(tmp_path / "real.json")


@needs_answers
def test_accepted_labels_and_chance_of_public_networks(tmp_path):
    """What the ReaL labels and the difficulty null say of all 34 networks, beside brute force and earlier numbers."""
    files = sorted(map(str, ANSWERS.glob("*.parquet")))
    imported = import_predictions(files, COLUMNS, "fail")
    write_predictions(imported, tmp_path / "p", {})
    file, columns = str(ANSWERS.parent / "real_labels.parquet"), {"image": "image", "accepted": "real_labels"}
    accepted = read_accepted_labels(file, columns, None, imported.images, imported.classes)["accepted"].tolist()
    answers = read_zoo_predictions(str(tmp_path / "p"))
    pairs = compare_models(answers, same_network=[["densenet121_keras", "densenet121_pytorch"]], accepted=accepted)
    assert pairs["accepted_images"].iloc[0] == 46_837
    assert round(pairs["accepted_flips"].min(), 4) == 0.0245
    assert pairs["student_accepted"].agg(["min", "max"]).round(2).tolist() == [0.05, 0.39]
    right, judged = accepted_matrix(answers.prediction, accepted)
    row = pairs.set_index(["student", "teacher"]).loc[("vgg16_keras", "xception_keras")]
    s, t = (answers.models.index(name) for name in ("vgg16_keras", "xception_keras"))
    assert row["accepted_flips"] == (~right[s] & right[t])[judged].mean()
    # the null explains the flips, and one architecture twice has the fewest for it
    assert np.corrcoef(pairs["positive_flips"], pairs["expected_flips"])[0, 1] > 0.98
    assert pairs["flips_over_expected"].median() == pytest.approx(1, abs=0.01)
    fewest = pairs.loc[pairs["flips_over_expected"].idxmin()]
    assert {fewest["student"].split("_")[0], fewest["teacher"].split("_")[0]} < {
        f"densenet{n}" for n in (121, 169, 201)
    }
    assert pairs.loc[pairs["same_network"], "flips_over_expected"].max() < 0.65
