"""Contrastive baselines and models that teach each other: by hand, and as transfers of real small networks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import write_teacher
from test_transfer import KNOWING, LABELS, PIXELS, SPEC, seeded

from transfer_atlas.errors import InputError, Stopped
from transfer_atlas.logits.features import write_features
from transfer_atlas.store.tables import read_table, write_excluded
from transfer_atlas.transfer.block import run_block
from transfer_atlas.transfer.contrast import MemoryContrast, Relations
from transfer_atlas.zoo.build import Input, build_model
from transfer_atlas.zoo.features import Features, feature_length, features_and_logits

GENERATOR = torch.Generator().manual_seed(0)
CD = replace(
    SPEC, method="cd", target=None, label_weight=0.1, contrast={"loss": "cd", "weight": 10.0, "temperature": 1.0}
)
CRD = replace(
    SPEC,
    method="crd",
    target=None,
    label_weight=1.0,
    contrast={"loss": "crd", "weight": 0.8, "temperature": 0.07, "features": 16, "negatives": 20, "momentum": 0.5},
)
BI_KD = replace(SPEC, method="bi_kd", target="mutual", label_weight=0.5, optimizer="adam", lr=0.001)


def test_relations_by_hand():
    """Two images: cosine 0 to the student, 1 to the teacher; rows of softmax (e 1) / (e + 1) and (1 1) / 2."""
    student, teacher = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0, 0.0], [3.0, 0.0]])
    first = np.e / (1 + np.e)
    expected = 0.5 * np.log(0.5 / first) + 0.5 * np.log(0.5 / (1 - first))
    np.testing.assert_allclose(Relations(1.0)(student, teacher, None), [expected, expected], rtol=1e-6)
    moved = student.double().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: Relations(0.5)(x, teacher.double(), None), (moved,))
    np.testing.assert_allclose(Relations(1.0)(teacher, teacher, None), [0, 0], atol=1e-7)


def test_a_memory_contrast_by_hand():
    """Three images of classes 0 0 1, so that each has its negatives in one place; the norm is the first batch's."""
    contrast = MemoryContrast(2, 2, np.array([0, 0, 1]), features=2, negatives=1, temperature=1.0, momentum=0.5)
    with torch.no_grad():
        for name in ("student", "teacher"):
            contrast.embed[name].weight.copy_(torch.eye(2))
            contrast.embed[name].bias.zero_()
            getattr(contrast, f"memory_of_{name}").copy_(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    own, known = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    rows = torch.tensor([0, 2])
    found = contrast(own, known, rows).detach()

    def estimate(pairs):
        alike = np.exp(pairs)  # [batch, (its own, another's)]
        alike = alike / (alike.mean() * 3)
        return -np.log(alike[:, 0] / (alike[:, 0] + 1 / 3)) - np.log((1 / 3) / (alike[:, 1] + 1 / 3))

    # image 0: its memory (1 0) and that of image 2 (0 1); image 2: (0 1), and (1 0) of image 0 or 1
    expected = estimate(np.array([[0.0, 1.0], [1.0, 0.0]])) + estimate(np.array([[1.0, 0.0], [1.0, 0.0]]))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(contrast.memory_of_teacher[0], [np.sqrt(0.5), np.sqrt(0.5)], rtol=1e-6)
    np.testing.assert_allclose(contrast.memory_of_student[0], [1, 0])


def test_negatives_are_of_other_classes():
    labels = np.array([2, 0, 1, 1, 2, 0, 0])
    contrast = MemoryContrast(3, 3, labels, features=4, negatives=500, temperature=1.0, momentum=0.5)
    others = contrast._of_other_classes(torch.arange(7))
    for row in range(7):
        assert set(others[row].tolist()) == set(np.flatnonzero(labels != labels[row]))


@pytest.mark.parametrize("architecture", ["test_vit", "test_resnet", "test_mambaout", "mobilenetv3_small_050"])
def test_features_come_with_the_logits_of_the_network_itself(architecture):
    row = {"model": "m.t", "architecture": architecture, "kwargs": {}, "weights": "random"}
    model = build_model(row, 10, 64)
    pixels = Input(model)(torch.from_numpy(PIXELS[:3]).repeat(1, 2, 2, 1))
    with torch.no_grad():
        features, logits = features_and_logits(model, pixels)
        torch.testing.assert_close(logits, model(pixels))
        assert torch.equal(Features(model)(pixels), features)
    assert features.shape == (3, feature_length(model, pixels))


def test_a_model_that_is_not_timms_has_no_features():
    with pytest.raises(InputError, match="Linear is not of timm"):
        features_and_logits(torch.nn.Linear(2, 2), torch.zeros(1, 2))


@pytest.fixture
def student(vit_row, student_files):
    return student_files(vit_row, lambda: seeded(vit_row, 1), PIXELS, LABELS)


@pytest.fixture
def teacher(tmp_path):
    """Features that say the class, beside a little noise."""
    features = np.eye(10)[LABELS][None] + 0.1 * np.random.default_rng(0).normal(size=(1, 60, 10))
    np.save(tmp_path / "features.npy", features.astype(np.float16))
    return replace(write_teacher(tmp_path, KNOWING, LABELS), stored_features=str(tmp_path / "features.npy"))


def run(spec, student, teacher, tmp_path):
    path = tmp_path / f"results/transfers/{spec.method}/s.t/t.t/{spec.seed}.parquet"
    path.unlink(missing_ok=True)
    run_block([spec], [path], student, {"t.t": teacher}, 10, "code")
    return read_table(path).to_dict("records")[0]


@pytest.mark.parametrize("spec", [CD, CRD], ids=["cd", "crd"])
def test_a_student_learns_from_features_that_know(spec, student, teacher, tmp_path):
    alone = replace(spec, label_weight=0.0, epochs=30)
    row = run(alone, student, teacher, tmp_path)
    assert row["epoch_objective"][-1] < 0.8 * row["epoch_objective"][0]
    together = run(replace(spec, epochs=60), student, teacher, tmp_path)
    assert together["delta"] > 0.1
    assert list(together["epoch_teacher_share"]) == [1.0] * 60


def test_two_that_teach_each_other_both_learn(student, vit_row, student_files, tmp_path):
    partner_folder = tmp_path / "partner"
    partner_folder.mkdir()
    partner = student_files(vit_row, lambda: seeded(vit_row, 2), PIXELS, LABELS, folder=partner_folder)
    row = run(replace(BI_KD, epochs=15), student, partner, tmp_path)
    assert row["delta"] > 0.2
    assert row["teacher_gain"] - row["teacher_loss"] > 0.2
    assert 0 < row["epoch_teacher_share"][0] < 1


@pytest.mark.parametrize("spec", [CD, CRD, BI_KD], ids=["cd", "crd", "bi_kd"])
@pytest.mark.parametrize("slow", [None, {"tau": 0.9, "every_images": 16}])
def test_one_that_is_stopped_goes_on_to_the_same_bits(
    spec, slow, student, teacher, vit_row, student_files, tmp_path, monkeypatch
):
    if spec is BI_KD:
        (tmp_path / "partner").mkdir()
        teacher = student_files(vit_row, lambda: seeded(vit_row, 2), PIXELS, LABELS, folder=tmp_path / "partner")
    spec = replace(spec, slow_weights=slow, evaluate_epochs=True)
    undisturbed = run(spec, student, teacher, tmp_path)
    for stops_after in (2, 4, 6, 11):
        calls = iter(range(1000))
        monkeypatch.setattr(
            "transfer_atlas.transfer.block.stop_on_signals", lambda calls=calls, n=stops_after: lambda: next(calls) >= n
        )
        with pytest.raises(Stopped):
            run(spec, student, teacher, tmp_path)
        monkeypatch.setattr("transfer_atlas.transfer.block.stop_on_signals", lambda: lambda: False)
        assert str(run(spec, student, teacher, tmp_path)) == str(undisturbed)


def test_stored_features_are_those_of_each_view(vit_row, student_files, tmp_path, monkeypatch):
    flips = [{"name": "RandomHorizontalFlip", "p": 1.0}]
    model = student_files(vit_row, lambda: seeded(vit_row, 1), PIXELS, LABELS, views=2, transforms=flips)
    model = replace(model, row=model.row | {"inference_batch_size": 7})
    output = tmp_path / "results/features/transfer/m.npy"

    def write():
        write_features(model, model.index, model.transfer_pixels, 2, model.predictions, output, 10, "code")

    stops = iter(range(100))
    monkeypatch.setattr("transfer_atlas.logits.features.stop_on_signals", lambda: lambda: next(stops) >= 11)
    with pytest.raises(Stopped):
        write()
    monkeypatch.setattr("transfer_atlas.logits.features.stop_on_signals", lambda: lambda: False)
    write()
    network = model.build()
    stored = np.load(output)
    for view, pixels in enumerate((PIXELS, PIXELS[:, :, ::-1].copy())):
        with torch.no_grad():
            features = Features(network)(Input(network)(torch.from_numpy(pixels)))
        np.testing.assert_allclose(stored[view], features, rtol=2e-3, atol=2e-3)
    write_excluded("predictions", model.predictions, "cannot be built", {"device": "cpu"})
    write()
    assert np.load(output).size == 0
