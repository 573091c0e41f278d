"""Inference and predictions."""

import numpy as np
import pandas as pd
import pytest
import torch

from transfer_atlas.errors import InputError
from transfer_atlas.logits import compute_logits, infer, mean_softmax_by_class, open_logits, predict
from transfer_atlas.zoo import build_model

PIXELS = np.random.default_rng(0).integers(0, 256, (50, 32, 32, 3), dtype=np.uint8)


def test_stored_logits_equal_live_ones_to_float16_rounding(tmp_path, resnet_row):
    torch.manual_seed(0)
    model = build_model(resnet_row, 10, 32)
    views = [PIXELS, PIXELS[:, :, ::-1].copy()]
    first = compute_logits(model, views, 16, "cpu", tmp_path / "l.npy", "m")
    stored = open_logits(tmp_path / "l.npy")
    assert stored.dtype == np.float16
    assert stored.shape == (2, 50, 10)
    assert torch.equal(first, infer(model, PIXELS, 16, "cpu"))
    for view, pixels in enumerate(views):
        np.testing.assert_array_equal(stored[view], infer(model, pixels, 16, "cpu").numpy().astype(np.float16))


def test_logits_hardly_depend_on_the_batch_size(resnet_row):
    model = build_model(resnet_row, 10, 32)
    torch.testing.assert_close(infer(model, PIXELS, 7, "cpu"), infer(model, PIXELS, 50, "cpu"), rtol=1e-4, atol=1e-5)


def test_a_model_with_nan_is_named_and_leaves_no_file(tmp_path, resnet_row):
    model = build_model(resnet_row, 10, 32)
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    with pytest.raises(InputError, match=r"model m: logits of image 0, view 0 are not finite"):
        compute_logits(model, [PIXELS], 16, "cpu", tmp_path / "l.npy", "m")
    assert list(tmp_path.iterdir()) == []


def test_predictions_by_hand():
    index = pd.DataFrame({"image": ["a", "b"], "label": [0, 2]})
    table = predict(index, torch.tensor([[np.log(3.0), 0.0, 0.0], [0.0, np.log(2.0), 0.0]], dtype=torch.float32))
    assert table["prediction"].tolist() == [0, 1]
    assert table["correct"].tolist() == [True, False]
    assert table["confidence"].tolist() == pytest.approx([0.6, 0.5])
    assert table["label_probability"].tolist() == pytest.approx([0.6, 0.25])


def test_mean_softmax_by_class_by_hand():
    logits = torch.log(torch.tensor([[0.5, 0.5, 0.0001], [0.9, 0.1, 0.0001], [0.2, 0.8, 0.0001]]))
    means = mean_softmax_by_class(logits, np.array([1, 1, 0]), classes=3)
    np.testing.assert_allclose(means[1], [0.7, 0.3, 0.0], atol=1e-3)
    np.testing.assert_allclose(means[0], [0.2, 0.8, 0.0], atol=1e-3)
    assert (means[2] == 0).all()
