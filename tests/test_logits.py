"""Inference and predictions."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import infer

from transfer_atlas.errors import DiskError, InputError, Stopped
from transfer_atlas.images.views import Views, augment
from transfer_atlas.logits.inference import infer_batches, read_ahead
from transfer_atlas.logits.model import StudyModel
from transfer_atlas.logits.predictions import ClassMeans, predict
from transfer_atlas.logits.splits import Split, write_logits
from transfer_atlas.logits.storage import TopLogits, open_logits, storage_type, to_storage
from transfer_atlas.logits.writers import compute_logits
from transfer_atlas.logits.zoo_predictions import read_correct
from transfer_atlas.store.checkpoint import Checkpoint
from transfer_atlas.store.tables import exclusion, read_table, write_table
from transfer_atlas.transfer.as_student import predict_as_student
from transfer_atlas.zoo.anatomy import describe_zoo
from transfer_atlas.zoo.build import build_model
from transfer_atlas.zoo.weights import save_weights

PIXELS = np.random.default_rng(0).integers(0, 256, (50, 32, 32, 3), dtype=np.uint8)
KINDS = {"logits": ".npy", "predictions": ".parquet"}
INDEX = pd.DataFrame(
    {"image": [f"i/{n}" for n in range(50)], "row": range(50), "label": np.arange(50) % 10, "file": None}
)


def test_stored_logits_equal_live_ones_to_float16_rounding(tmp_path, resnet_row):
    torch.manual_seed(0)
    model = build_model(resnet_row, 10, 32)
    views = Views(PIXELS, INDEX["image"], 2, [{"name": "RandomHorizontalFlip"}], 0)
    predictions, means = compute_logits(model, views, INDEX, 10, 16, "cpu", tmp_path / "l.npy", "m")
    stored = open_logits(tmp_path / "l.npy")
    assert stored.dtype == np.float16
    assert stored.shape == (2, 50, 10)
    pd.testing.assert_frame_equal(predictions, predict(INDEX, infer(model, PIXELS, 16)))
    assert means.sum(axis=1) == pytest.approx(np.ones(10))
    for view in range(2):
        live = infer(model, views.batch(view, slice(None)), 16)
        assert (stored[view].max(axis=1) == 0).all()
        np.testing.assert_array_equal(stored[view], to_storage(live))
        stored_softmax = torch.from_numpy(stored[view].astype(np.float32)).softmax(dim=1)
        torch.testing.assert_close(stored_softmax, live.softmax(dim=1), atol=1e-3, rtol=0)


def test_no_more_than_a_batch_of_a_view_is_made_at_a_time(tmp_path, resnet_row, monkeypatch):
    made = []

    def spy(pixels, *arguments):
        made.append(len(pixels))
        return augment(pixels, *arguments)

    monkeypatch.setattr("transfer_atlas.images.views.augment", spy)
    views = Views(PIXELS, INDEX["image"], 3, [{"name": "RandomHorizontalFlip"}], 0)
    compute_logits(build_model(resnet_row, 10, 32), views, INDEX, 10, 16, "cpu", tmp_path / "l.npy", "m")
    assert made == 2 * [16, 16, 16, 2]


def test_logits_of_any_size_keep_their_softmax_and_confidence():
    large = torch.tensor([[7e4, 6.9999e4, -7e4], [1e6, 0.0, 1e6], [-9e4, -9e4, -8.9999e4]])
    stored = to_storage(large)
    stored = torch.from_numpy(stored)
    assert torch.isfinite(stored).all()
    torch.testing.assert_close(stored.float().softmax(dim=1), large.softmax(dim=1))


def study_model(row, weights=None, size=32, **inference):
    return StudyModel(
        row=row, classes=10, input_size=size, weights=weights, inference=inference, device=torch.device("cpu")
    )


@pytest.fixture
def job(tmp_path, resnet_row):
    """Run one model's job on 50 random images of both splits."""
    write_table(INDEX, "images", tmp_path / "index.parquet")
    np.save(tmp_path / "pixels.npy", PIXELS)

    def run(on_error, weights=None, **change):
        splits = {
            split: Split(
                views,
                *(tmp_path / name for name in ("index.parquet", "pixels.npy")),
                *(tmp_path / f"results/{kind}/{split}/m{suffix}" for kind, suffix in KINDS.items()),
            )
            for split, views in (("evaluation", 1), ("transfer", 2))
        }
        write_logits(
            study_model(resnet_row | change, weights), splits, tmp_path / "c.npy", on_error, minutes=1, code=""
        )
        return splits

    return run


def test_a_model_that_cannot_answer_is_left_out(job, tmp_path, resnet_row):
    broken = build_model(resnet_row, 10, 32).state_dict()
    broken["fc.weight"].fill_(float("nan"))
    save_weights(broken, tmp_path / "nan.safetensors")
    with pytest.raises(InputError, match="are not finite"):
        job("fail", tmp_path / "nan.safetensors")
    splits = job("exclude", tmp_path / "nan.safetensors")
    correct, excluded = read_correct([splits["evaluation"].predictions])
    assert correct == {}
    assert excluded["m"].startswith("model test_resnet.t: logits of image 0, view 0 are not finite")
    assert np.load(tmp_path / "c.npy").size == 0
    assert open_logits(splits["transfer"].logits).size == 0


def test_a_teacher_is_shown_the_students_input(job, tmp_path, resnet_row, vit_row):
    """As if the sheet gave it the student's mean and standard deviation; what cannot take the input is named."""
    student = vit_row | {"mean": [0.2, 0.3, 0.4], "std": [0.1, 0.2, 0.3]}
    own = job("fail")["evaluation"].predictions

    def ask(teacher, student, on_error="fail", size=32, weights=None):
        pixels = np.ascontiguousarray(np.repeat(PIXELS, size // 32, 1).repeat(size // 32, 2))
        np.save(tmp_path / "shown.npy", pixels)
        model = study_model(teacher, weights, size, precision="float32")
        predict_as_student(model, student, tmp_path / "shown.npy", own, tmp_path / "a.parquet", on_error)
        return tmp_path / "a.parquet"

    pd.testing.assert_frame_equal(read_table(ask(resnet_row, resnet_row)), read_table(own))
    shown = read_table(ask(resnet_row, student))
    assert (shown["prediction"] != read_table(own)["prediction"]).any()
    model = build_model(resnet_row | {"mean": student["mean"], "std": student["std"]}, 10, 32)
    pd.testing.assert_frame_equal(shown, predict(INDEX, infer(model, PIXELS, 50)), check_dtype=False)
    fixed = vit_row | {"kwargs": {"img_size": 32, "patch_size": 8, "dynamic_img_size": False}}
    with pytest.raises(InputError, match=r"model test_vit\S*: cannot take an RGB image of 64 x 64 pixels: "):
        ask(fixed, resnet_row, size=64)
    assert "cannot take an RGB image" in exclusion(ask(fixed, resnet_row, "exclude", 64))
    broken = build_model(resnet_row, 10, 32).state_dict()
    broken["fc.weight"].fill_(float("inf"))
    save_weights(broken, tmp_path / "inf.safetensors")
    with pytest.raises(InputError, match="logits of image 0, view 0 are not finite"):
        ask(resnet_row, resnet_row, weights=tmp_path / "inf.safetensors")


def test_the_models_table_says_who_is_left_out_and_who_is_odd(job, resnet_row):
    predictions = job("fail")["evaluation"].predictions
    rows = [resnet_row | {"model": "m", "published_top1": 0.9}, resnet_row | {"model": "broken"}]
    geometry = {"input_size": 32, "crop_pct": 1.0, "crop_mode": "center", "interpolation": "bicubic"}
    models = describe_zoo(
        rows, {"m": geometry, "broken": geometry}, read_correct([predictions])[0], {"broken": "no weights"}, 10
    )
    write_table(models, "models", predictions)
    models = read_table(predictions).set_index("model")
    assert models["excluded"].to_dict() == {"m": False, "broken": True}
    assert models.loc["broken", "remark"] == "no weights"
    assert np.isnan(models.loc["broken", "accuracy"])
    assert "is far from the published 0.900" in models.loc["m", "remark"]


def test_logits_hardly_depend_on_the_batch_size(resnet_row):
    model = build_model(resnet_row, 10, 32)
    torch.testing.assert_close(infer(model, PIXELS, 7), infer(model, PIXELS, 50), rtol=1e-4, atol=1e-5)


def test_a_model_with_nan_is_named_and_leaves_no_file(tmp_path, resnet_row):
    model = build_model(resnet_row, 10, 32)
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    with pytest.raises(InputError, match=r"model m: logits of image 0, view 0 are not finite"):
        compute_logits(model, Views(PIXELS, [], 1, [], 0), INDEX, 10, 16, "cpu", tmp_path / "l.npy", "m")
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
    class_means = ClassMeans(3)
    class_means.add(logits[:2], np.array([1, 1]))
    class_means.add(logits[2:], np.array([0]))
    means = class_means.means()
    np.testing.assert_allclose(means[1], [0.7, 0.3, 0.0], atol=1e-3)
    np.testing.assert_allclose(means[0], [0.2, 0.8, 0.0], atol=1e-3)
    assert (means[2] == 0).all()


def test_a_model_that_is_stopped_after_any_batch_goes_on_to_the_same_logits(tmp_path, resnet_row):
    model = build_model(resnet_row, 10, 32)
    views = Views(PIXELS, INDEX["image"], 3, [{"name": "RandomHorizontalFlip"}], 0)
    inputs = (model, views, INDEX, 10, 16, "cpu")
    whole, means = compute_logits(*inputs, tmp_path / "whole.npy", "m")
    path, stops = tmp_path / "results/l.npy", 0
    while not path.exists():
        # asked again after every step: each call does one batch, or ends one view
        checkpoint = Checkpoint(tmp_path / "checkpoints/l.pt", {"model": "m"}, 10, stop=lambda: True)
        if stops == 15:
            checkpoint = Checkpoint(checkpoint.path, {"model": "m"}, 10)
        try:
            predictions, resumed = compute_logits(*inputs, path, "m", checkpoint)
        except Stopped as stopped:
            stops += 1
            assert re.match(r"asked to stop after \d views and \d batches", str(stopped))
    assert stops == 15
    pd.testing.assert_frame_equal(predictions, whole, check_exact=True)
    np.testing.assert_array_equal(resumed, means)
    np.testing.assert_array_equal(open_logits(path), open_logits(tmp_path / "whole.npy"))
    assert path.read_bytes() == (tmp_path / "whole.npy").read_bytes()


def test_a_begun_array_that_is_gone_or_of_another_size_is_begun_anew(tmp_path, resnet_row):
    views = Views(PIXELS, INDEX["image"], 1, [], 0)
    inputs = (build_model(resnet_row, 10, 32), views, INDEX, 10, 16, "cpu", tmp_path / "l.npy", "m")
    whole, _ = compute_logits(*inputs)
    expected = (tmp_path / "l.npy").read_bytes()
    for harm in (Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:100])):
        with pytest.raises(Stopped):
            compute_logits(*inputs, Checkpoint(tmp_path / "c.pt", {}, 10, stop=lambda: True))
        harm(tmp_path / "c.npy")
        predictions, _ = compute_logits(*inputs, Checkpoint(tmp_path / "c.pt", {}, 10))
        pd.testing.assert_frame_equal(predictions, whole, check_exact=True)
        assert (tmp_path / "l.npy").read_bytes() == expected


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_job_that_is_killed_goes_on_with_its_logits(tmp_path, number, resnet_row):
    """A real process in the middle of a view; SIGKILL leaves it the checkpoint of the view before."""
    pixels = np.random.default_rng(0).integers(0, 256, (3000, 32, 32, 3), dtype=np.uint8)
    images = [f"i/{n}" for n in range(3000)]
    index = pd.DataFrame({"image": images, "row": range(3000), "label": np.arange(3000) % 10, "file": None})
    write_table(index, "images", tmp_path / "index.parquet")
    np.save(tmp_path / "pixels.npy", pixels)
    paths = [
        str(tmp_path / name) for name in ("index.parquet", "pixels.npy", "results/logits/transfer/m.npy", "p.parquet")
    ]
    script = f"""
import torch
from transfer_atlas.logits.model import StudyModel
from transfer_atlas.logits.splits import Split, write_logits
torch.set_num_threads(1)
splits = {{"transfer": Split(3, *{paths})}}
model = StudyModel(
    row={resnet_row}, classes=10, input_size=32, weights=None, inference={{}}, device=torch.device("cpu")
)
write_logits(model, splits, "", "fail", minutes=10, code="")
"""
    checkpoint = tmp_path / "results/checkpoints/logits/transfer/m.pt"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    while not checkpoint.exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    process.communicate()
    assert process.returncode != 0
    resumed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert re.search(r"goes on after [12] views and \d+ batches", resumed.stdout)
    assert not list(checkpoint.parent.iterdir())
    compute_logits(
        build_model(resnet_row, 10, 32),
        Views(pixels, images, 3, [], 0),
        index,
        10,
        resnet_row["inference_batch_size"],
        "cpu",
        tmp_path / "l.npy",
        "m",
    )
    assert (tmp_path / "l.npy").read_bytes() == Path(paths[2]).read_bytes()


def test_a_damaged_file_leaves_no_model_out(job, tmp_path):
    job("exclude")
    (tmp_path / "pixels.npy").write_bytes((tmp_path / "pixels.npy").read_bytes()[:-9])
    with pytest.raises(DiskError, match=r"pixels\.npy: damaged"):
        job("exclude")


def test_a_batch_that_does_not_fit_is_asked_in_halves(tmp_path, resnet_row, capsys):
    """The device's own error, raised while a batch is larger than what is said to fit."""
    model, sizes = build_model(resnet_row, 10, 32), []

    def limited(fits):
        def refuse(module, inputs):
            sizes.append(len(inputs[0]))
            if len(inputs[0]) > fits:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

        return refuse

    expected = infer(model, PIXELS, 5)
    hook = model.register_forward_pre_hook(limited(5))
    torch.testing.assert_close(infer(model, PIXELS, 20), expected, atol=1e-5, rtol=1e-5)
    assert sizes == [20, 10, *[5] * 4, *[5] * 4, *[5] * 2]
    assert "out of memory: goes on with 5 images at a time" in capsys.readouterr().out
    hook.remove()
    model.register_forward_pre_hook(limited(0))
    with pytest.raises(InputError, match="no memory for one image"):
        infer(model, PIXELS, 20)


@pytest.mark.parametrize(("limit", "most"), [("CPU_PIXELS", 16 * 32**2), ("CPU_IMAGES", 16)])
def test_many_or_large_images_are_asked_in_parts_on_the_cpu(limit, most, resnet_row, monkeypatch):
    model, asked = build_model(resnet_row, 10, 32), []
    model.register_forward_pre_hook(lambda _, inputs: asked.append(len(inputs[0])))
    whole = infer(model, PIXELS, 50)
    monkeypatch.setattr(f"transfer_atlas.logits.inference.{limit}", most)
    in_parts = infer(model, PIXELS, 50)
    assert asked == [50, 16, 16, 16, 2]
    torch.testing.assert_close(in_parts, whole, atol=1e-4, rtol=1e-4)


def test_bfloat16_answers_nearly_as_float32_does(resnet_row):
    model = build_model(resnet_row, 10, 32)
    (_, logits), *_ = infer_batches(model, PIXELS.__getitem__, 50, 50, "cpu", precision="bfloat16")
    assert logits.dtype == torch.float32
    exact = infer(model, PIXELS, 50)
    assert not torch.equal(logits, exact)
    torch.testing.assert_close(logits.softmax(dim=1), exact.softmax(dim=1), atol=0.02, rtol=0.1)


def test_the_largest_logits_and_the_rest_by_hand():
    """Two of four kept: the others share exp(-2) + exp(-3) alike."""
    kind, of_image = storage_type(4, top=2)
    assert (kind.itemsize, of_image) == (2 * 2 + 2 * 2 + 2, ())
    stored = to_storage(torch.tensor([[1.0, 4.0, 2.0, 3.0]]), kind)
    assert stored["class_of_4"].tolist() == [[1, 3]]
    (logits,) = TopLogits(stored[None])[0, [0]]
    shared = np.log((np.exp(-2) + np.exp(-3)) / 2)
    np.testing.assert_allclose(logits, [shared, 0, shared, -1], rtol=1e-3)


def test_kept_logits_are_read_as_all_are(tmp_path, resnet_row):
    model, views = build_model(resnet_row, 10, 32), Views(PIXELS, INDEX["image"], 2, [], 0)
    for name, top in (("all", 0), ("many", 10), ("five", 5)):
        compute_logits(model, views, INDEX, 10, 16, "cpu", tmp_path / f"{name}.npy", "m", top_logits=top)
    every, many, five = (open_logits(tmp_path / f"{name}.npy") for name in ("all", "many", "five"))
    np.testing.assert_array_equal(every, many)
    assert five.shape == every.shape
    rows = np.array([3, 1, 44])
    kept, known = torch.tensor(five[1, rows]).float(), torch.tensor(np.array(every[1, rows])).float()
    torch.testing.assert_close(kept.topk(5).values, known.topk(5).values)
    assert torch.equal(kept.topk(5).indices, known.topk(5).indices)
    torch.testing.assert_close(kept.logsumexp(dim=1), known.logsumexp(dim=1), atol=2e-3, rtol=0)


def test_the_next_batch_is_read_while_one_is_used():
    begun = []

    def load(batch):
        begun.append(batch)
        return 10 * batch

    results = read_ahead(load, range(4))
    assert next(results) == 0
    time.sleep(0.2)
    assert begun == [0, 1]
    assert list(results) == [10, 20, 30]
    assert list(read_ahead(load, [])) == []
    with pytest.raises(ZeroDivisionError):
        list(read_ahead(lambda batch: 1 / batch, [1, 0]))
