"""Small real inputs that several test files share."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from transfer_atlas import study
from transfer_atlas.complementarity import Answers, choose_examples, compare_models, count_flips_by_class

ROOT = Path(__file__).parents[1]
FASHION = ROOT / "src/transfer_atlas/datasets/fashion_mnist"
SCHEMA = study.load_schema(ROOT / "workflow/schemas/config.schema.yaml")
ZOO_SCHEMA = study.load_schema(ROOT / "workflow/schemas/zoo.schema.yaml")

torch.set_num_threads(1)


@pytest.fixture
def config():
    """The default config, unchecked."""
    return yaml.safe_load((ROOT / "config/config.yaml").read_text())


@pytest.fixture
def sheet(tmp_path):
    """Write a zoo sheet and return its path."""

    def write(*rows, columns=("model", "architecture", "kwargs", "weights")):
        path = tmp_path / "zoo.tsv"
        path.write_text("\n".join("\t".join(row) for row in (columns, *rows)) + "\n")
        return path

    return write


@pytest.fixture
def vit_row():
    """Zoo row of a small transformer without batch norm."""
    kwargs = {"patch_size": 8}
    return {"model": "test_vit.t", "architecture": "test_vit", "kwargs": kwargs, "weights": "none", "batch_size": 64}


@pytest.fixture
def resnet_row():
    """Zoo row of a small convolutional network with batch norm."""
    return {"model": "test_resnet.t", "architecture": "test_resnet", "kwargs": {}, "weights": "none", "batch_size": 64}


@pytest.fixture
def random_study():
    """Complementarity, transfers and models of a synthetic study: 3 methods and 2 controls on 4 x 5 pairs."""
    return make_random_study(students=4, teachers=5)


def make_random_study(students, teachers, seed=0):
    """Synthetic tables with the schema of real ones, drawn with a fixed seed."""
    generator = np.random.default_rng(seed)
    names = [f"model{number}.t" for number in range(students + teachers)]
    labels = generator.integers(0, 10, 1000)
    correct = generator.random((len(names), 1000)) < generator.uniform(0.5, 0.9, len(names))[:, None]
    prediction = np.where(correct, labels, (labels + generator.integers(1, 10, correct.shape)) % 10)
    confidence = generator.beta(4, 2, correct.shape).astype(np.float32)
    answers = Answers(names, labels, prediction, confidence)
    complementarity = compare_models(answers, generator.random((10, 10)))
    examples = choose_examples(complementarity, {"weak": 0.05, "equal": 0.5, "strong": 0.95})
    flips = complementarity.set_index(["student", "teacher"])["positive_flips"]
    rows = []
    for method in ("kl", "kl_dp", "kl_dp_u", "self", "labels"):
        for student in names[:students]:
            for teacher in [None] if method in ("self", "labels") else names[students:]:
                gain, loss = generator.uniform(0.01, 0.05, 2)
                positive = flips[student, teacher] if teacher else np.nan
                rate = generator.uniform(0.1, 0.5) if teacher else np.nan
                rows.append(
                    {
                        "method": method,
                        "student": student,
                        "teacher": teacher,
                        "seed": 0,
                        "accuracy_before": 0.7,
                        "accuracy_after": 0.7 + gain - loss,
                        "delta": gain - loss,
                        "delta_standard_error": 0.004,
                        "gain": gain,
                        "loss": loss,
                        "positive_flips": positive,
                        "transferred_flips": rate * positive,
                        "transfer_rate": rate,
                        "images": 1000,
                        "epoch_objective": [0.5, 0.4],
                        "epoch_accuracy": [0.7, 0.8],
                        "epoch_teacher_share": [1.0, 1.0],
                    }
                )
    models = pd.DataFrame(
        {
            "model": names,
            "parameters": generator.integers(100_000, 600_000, len(names)),
            "accuracy": correct.mean(axis=1),
            "family": np.resize(["convolution", "transformer", "mlp"], len(names)),
        }
    )
    return {
        "complementarity": complementarity,
        "classes": pd.DataFrame({"class": range(10), "images": np.bincount(labels)}),
        "flips_by_class": count_flips_by_class(answers, examples),
        "transfers": pd.DataFrame(rows),
        "models": models,
    }
