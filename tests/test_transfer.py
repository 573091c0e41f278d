"""The transfer engine on real small networks."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from transfer_atlas.logits import infer
from transfer_atlas.transfer import Student, TransferSpec, measure_transfer, run_transfer, set_mode
from transfer_atlas.zoo import build_model

GENERATOR = np.random.default_rng(0)
PIXELS = GENERATOR.integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
LABELS = GENERATOR.integers(0, 10, 60)
SPEC = TransferSpec(
    method="kl",
    student="s.t",
    teacher="t.t",
    seed=0,
    epochs=3,
    batch_size=16,
    lr=0.05,
    momentum=0.9,
    weight_decay=0.0,
    batch_norm="frozen",
    target="teacher",
)


def seeded(row, seed):
    torch.manual_seed(seed)
    return build_model(row, 10, 32)


@pytest.fixture
def student(vit_row):
    model = seeded(vit_row, 1)
    logits = infer(model, PIXELS, 64, "cpu")
    return Student(
        build=partial(seeded, vit_row, 1),
        views=[PIXELS],
        labels=LABELS,
        logits=logits.numpy()[None].astype(np.float16),
        evaluation_pixels=PIXELS,
        evaluation_labels=LABELS,
        correct=logits.argmax(dim=1).numpy() == LABELS,
        batch_size=64,
    )


@pytest.fixture
def teacher_logits():
    """A teacher that knows all labels."""
    return (10 * np.eye(10)[LABELS])[None].astype(np.float16)


def test_a_student_learns_from_a_teacher_that_knows(student, teacher_logits):
    row = run_transfer(replace(SPEC, epochs=30), student, teacher_logits, np.ones(60, bool), "cpu")
    assert row["epoch_objective"][-1] < row["epoch_objective"][0] / 2
    assert row["delta"] > 0.3
    assert row["delta"] == pytest.approx(row["gain"] - row["loss"])
    assert row["accuracy_after"] - row["accuracy_before"] == pytest.approx(row["delta"])
    assert row["epoch_teacher_share"] == [1.0] * 30


def test_a_student_taught_by_itself_stays_put(student):
    row = run_transfer(
        replace(SPEC, method="self", teacher=None, target="student", lr=0.001), student, None, None, "cpu"
    )
    assert (row["gain"], row["loss"], row["delta"]) == (0, 0, 0)
    assert max(row["epoch_objective"]) < 1e-5
    assert np.isnan(row["transfer_rate"])


def test_the_same_spec_gives_the_same_bits(student, teacher_logits):
    rows = [run_transfer(SPEC, student, teacher_logits, np.ones(60, bool), "cpu") for _ in range(2)]
    assert rows[0] == rows[1]
    other = run_transfer(replace(SPEC, seed=1), student, teacher_logits, np.ones(60, bool), "cpu")
    assert other["epoch_objective"] != rows[0]["epoch_objective"]


def test_label_weight_one_equals_labels_whatever_the_target(student, teacher_logits):
    labels = run_transfer(replace(SPEC, target=None, label_weight=1.0), student, None, None, "cpu")
    mixed = run_transfer(replace(SPEC, label_weight=1.0), student, teacher_logits, None, "cpu")
    assert labels["epoch_objective"] == pytest.approx(mixed["epoch_objective"], rel=1e-6)


def test_epochs_go_round_the_views(student, teacher_logits):
    views = [PIXELS, 255 - PIXELS]
    twice = replace(student, views=views, logits=student.logits.repeat(2, axis=0))
    spec = replace(SPEC, lr=1e-9, epochs=4)
    objectives = run_transfer(spec, twice, teacher_logits.repeat(2, axis=0), None, "cpu")["epoch_objective"]
    assert objectives[0] == pytest.approx(objectives[2], rel=1e-4)
    assert objectives[1] == pytest.approx(objectives[3], rel=1e-4)
    assert objectives[0] != pytest.approx(objectives[1], rel=1e-3)


@pytest.mark.parametrize(("batch_norm", "moves"), [("frozen", False), ("train", True)])
def test_batch_norm_statistics_move_only_on_request(resnet_row, batch_norm, moves):
    model = set_mode(seeded(resnet_row, 1), batch_norm)
    assert model.training
    statistics = dict(model.named_buffers())["bn1.running_mean"].clone()
    model(torch.randn(8, 3, 32, 32))
    assert torch.equal(statistics, model.bn1.running_mean) != moves


def test_measures_by_hand():
    before = np.array([1, 1, 0, 0, 0, 0, 0, 0, 1, 1], bool)
    after_ = np.array([1, 0, 1, 1, 0, 0, 1, 0, 1, 1], bool)
    knows_ = np.array([1, 1, 1, 1, 1, 1, 0, 0, 1, 0], bool)
    row = measure_transfer(before, after_, knows_)
    assert row["gain"] == pytest.approx(0.3)
    assert row["loss"] == pytest.approx(0.1)
    assert row["delta"] == pytest.approx(0.2)
    assert row["positive_flips"] == pytest.approx(0.4)
    assert row["transferred_flips"] == pytest.approx(0.2)
    assert row["transfer_rate"] == pytest.approx(0.5)
    assert row["delta_standard_error"] == pytest.approx(np.sqrt((0.4 - 0.04) / 10))


def test_the_log_names_the_formula():
    spec = replace(SPEC, method="mix", target="most_confident", confidence="label", label_weight=0.25)
    assert str(spec) == (
        "mix t.t -> s.t, seed 0: 0.75 T^2 KL(most_confident(label) || student), T = 1 + 0.25 cross-entropy(labels)"
    )
