"""Small real inputs that several test files share."""

import fcntl
import shutil
from functools import cache
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from browsing import settle, table_of
from running import ROOT, copy_repository, snakemake
from threadpoolctl import threadpool_limits

from transfer_atlas.analysis.histories import describe_histories
from transfer_atlas.analysis.published import compare_with_published
from transfer_atlas.analysis.significance import judge_transfers
from transfer_atlas.complementarity.examples import choose_examples, count_flips_by_class
from transfer_atlas.complementarity.pair_table import compare_models
from transfer_atlas.images.views import Views
from transfer_atlas.logits.inference import infer_batches
from transfer_atlas.logits.predictions import predict
from transfer_atlas.logits.writers import compute_logits
from transfer_atlas.logits.zoo_predictions import ZooPredictions
from transfer_atlas.recommend.check import OURS, RULES
from transfer_atlas.recommend.choices import ALL, HALVING, KNOWN, PROBE
from transfer_atlas.store.tables import write_table
from transfer_atlas.study.config import load_schema
from transfer_atlas.transfer.student import Student, Teacher
from transfer_atlas.zoo.weights import save_weights

FASHION = ROOT / "src/transfer_atlas/datasets/fashion_mnist"
SCHEMA = load_schema(ROOT / "workflow/schemas/config.schema.yaml")
ZOO_SCHEMA = load_schema(ROOT / "workflow/schemas/zoo.schema.yaml")


@pytest.fixture(autouse=True, scope="session")
def one_thread_of_blas():
    """The threads of NumPy's and SciPy's linear algebra wait for each other in busy loops, which the other workers pay for."""
    with threadpool_limits(1, "blas"):
        yield


@pytest.fixture(autouse=True)
def one_thread():
    """Workers share the cores, and numba's kernels set the threads of OpenMP, which are torch's as well."""
    torch.set_num_threads(1)


def pytest_collection_modifyitems(items):
    """The file that takes longest comes first, so that the others run beside it."""
    items.sort(key=lambda item: item.path.name != "test_workflow.py")


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id):
    """A copy of the repository in which the small study was run: once for all workers, who each change a copy of their own."""
    own = tmp_path_factory.mktemp("finished") / "transfer-atlas"
    if worker_id == "master":
        snakemake(copy_repository(own))
        return own
    shared = tmp_path_factory.getbasetemp().parent / "finished"
    with open(shared.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shared.exists():
            begun = copy_repository(shared.with_suffix(".begun"))
            snakemake(begun)
            begun.rename(shared)
    return shutil.copytree(shared, own, symlinks=True)


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
    return {
        "model": "test_vit.t",
        "architecture": "test_vit",
        "kwargs": kwargs,
        "weights": "random",
        "inference_batch_size": 64,
    }


@pytest.fixture
def resnet_row():
    """Zoo row of a small convolutional network with batch norm."""
    return {
        "model": "test_resnet.t",
        "architecture": "test_resnet",
        "kwargs": {},
        "weights": "random",
        "inference_batch_size": 64,
    }


@pytest.fixture
def random_study():
    """Complementarity, transfers and models of a synthetic study: 3 methods and 2 controls on 4 x 5 pairs."""
    return make_random_study(students=4, teachers=5)


def make_random_study(students, teachers, seed=0):
    """Synthetic tables with the schema of real ones, drawn with a fixed seed; copies, which a test may change."""
    return {name: table.copy() for name, table in _draw_study(students, teachers, seed).items()}


@cache
def _draw_study(students, teachers, seed):
    generator = np.random.default_rng(seed)
    names = [f"model{number}.t" for number in range(students + teachers)]
    labels = generator.integers(0, 10, 1000)
    correct = generator.random((len(names), 1000)) < generator.uniform(0.5, 0.9, len(names))[:, None]
    prediction = np.where(correct, labels, (labels + generator.integers(1, 10, correct.shape)) % 10)
    confidence = generator.beta(4, 2, correct.shape).astype(np.float32)
    predicted = ZooPredictions(names, labels, prediction, confidence)
    complementarity = compare_models(predicted, generator.random((10, 10)))
    examples = choose_examples(
        predicted.models, predicted.correct.sum(axis=1), {"weak": 0.05, "equal": 0.5, "strong": 0.95}
    )
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
                        "remark": None,
                        "weight_perturbation": 0.0,
                        "accuracy_before": 0.7,
                        "accuracy_after": 0.7 + gain - loss,
                        "delta": gain - loss,
                        "delta_standard_error": 0.004,
                        "gain": gain,
                        "loss": loss,
                        "positive_flips": positive,
                        "transferred_flips": rate * positive,
                        "transfer_rate": rate,
                        "positive_flips_after": (1 - rate) * positive,
                        **{f"top{percent}_transfer_rate": rate for percent in (2, 5, 20, 50)},
                        **{
                            f"top{percent}_gain_share": percent / 100 if teacher else np.nan
                            for percent in (2, 5, 20, 50)
                        },
                        **dict.fromkeys(("best_epoch", "selected_accuracy", "best_gain", "best_loss", "teacher_gain")),
                        "teacher_loss": None,
                        "images": 1000,
                        "epoch_objective": [0.5, 0.4],
                        "epoch_accuracy": [0.7, 0.8],
                        "epoch_teacher_share": [1.0, 1.0],
                        "epoch_gain": [gain / 2, gain],
                        "epoch_loss": [loss / 3, loss],
                    }
                )
    transfers = judge_transfers(pd.DataFrame(rows).assign(right_after=None))
    points = [("epochs", "1"), ("epochs", "12"), ("image_share", "0.5"), ("schedule", "cosine")]
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
        "classes": pd.DataFrame(
            {"class": range(10), "name": [f"name {c}" for c in range(10)], "images": np.bincount(labels)}
        ),
        "flips_by_class": count_flips_by_class(predicted, examples),
        "transfers": transfers,
        "histories": describe_histories(transfers),
        "agreement": compare_with_published(transfers, publish(transfers, generator)),
        "deltas": transfers[["method", "student", "teacher", "delta"]].assign(
            seeds=1, q=generator.random(len(transfers))
        ),
        "teams": make_random_teams(transfers, generator),
        "sweeps": pd.concat([transfers.assign(key=key, value=value) for key, value in points], ignore_index=True),
        "models": models,
        **make_random_streams(names[:students], names[students:], generator),
        "choices": make_random_choices(names[:students], generator),
    }


def make_random_choices(students, generator):
    """The choices table of a synthetic study with two methods."""
    rules = [(rule, None, 1.0) for rule in (OURS, *RULES)] + [(KNOWN, None, None)]
    rules += [(PROBE, share, 1 + 10 * share) for share in (0.1, 0.5)] + [(HALVING, 0.1, 4.0), (ALL, 1.0, 10.0)]
    rows = [
        (method, student, rule, share, cost, generator.uniform(0, 0.003))
        for method in ("kl", "kl_dp")
        for student in students
        for rule, share, cost in rules
    ]
    return pd.DataFrame(rows, columns=["method", "student", "rule", "image_share", "cost", "regret"])


def make_random_streams(students, teachers, generator):
    """Ledger and strategies of a synthetic study: streams of up to three teachers over 1,000 images."""
    ledgers, rows = [], []
    for student in students:
        before, after = generator.random(1000) < 0.7, generator.random(1000) < 0.72
        stage = pd.Series(np.where(before, np.nan, generator.integers(1, 4, 1000)))
        table = {"way": "flips", "student": student, "right_before": before, "right_after": after, "seed": 0}
        ledgers.append(pd.DataFrame(table).assign(gained_stage=stage.where(after | (generator.random(1000) < 0.1))))
        for strategy in ("flips", "random", "labels", "single", "single_hindsight", "oracle"):
            delta = 0.3 if strategy == "oracle" else generator.normal(0.002, 0.003)
            rows.append({"strategy": strategy, "student": student, "seed": 0, "delta": delta, "epochs": 6})
    return {"ledger": pd.concat(ledgers, ignore_index=True), "strategies": pd.DataFrame(rows)}


def make_random_teams(transfers, generator):
    """The teams table of a synthetic study: all ways of one team of at most three of each student's teachers."""
    rows = []
    for student, alone in transfers.query("method == 'kl_dp'").groupby("student"):
        members = alone.head(3)
        stages = members["delta"].cumsum().tolist()
        for way in ("sequential", "descending", "matched", "parallel", "soup"):
            deltas = stages if way in ("sequential", "descending", "matched") else stages[-1:]
            deltas = [delta + generator.normal(0, 0.001) for delta in deltas]
            rows.append(
                {
                    "way": way,
                    "method": "kl_dp",
                    "student": student,
                    "team": "three",
                    "teachers": members["teacher"].tolist(),
                    "stage_delta": deltas,
                    "delta": deltas[-1],
                    "delta_standard_error": 0.004,
                    "single_mean": members["delta"].mean(),
                    "single_best": members["delta"].max(),
                }
            )
    return pd.DataFrame(rows)


def publish(transfers, generator):
    """Published results that agree with a study's up to noise."""
    means = (
        transfers.dropna(subset=["teacher"])
        .groupby(["student", "method"])["delta"]
        .mean()
        .reset_index(name="mean_delta")
    )
    noise = generator.normal(0, 0.002, len(means))
    return means.assign(
        mean_delta=means["mean_delta"] + noise, teachers=20, std_delta=0.01, success_rate=0.5, source="a paper"
    )


@pytest.fixture
def student_files(tmp_path):
    """Write what a job of transfers reads, from 60 random images that train and evaluate; returns a Student."""

    def write(row, build, pixels, labels, views=1, transforms=(), device="cpu", folder=tmp_path):
        np.save(folder / "pixels.npy", pixels)
        images = [f"train/{n:08d}" for n in range(len(labels))]
        index = pd.DataFrame({"image": images, "row": 0, "label": labels, "file": None})
        path = folder / "results/images/transfer.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(index, "images", path)
        model = build()
        save_weights(model.state_dict(), folder / "w.safetensors")
        shown = Views(pixels, images, views, list(transforms), 0)
        predictions, _ = compute_logits(model, shown, index, 10, 64, "cpu", folder / "student.npy", row["model"])
        write_table(predictions, "predictions", folder / "student.parquet", {"device": device})
        return Student(
            row=row,
            classes=10,
            input_size=32,
            weights=str(folder / "w.safetensors"),
            index=str(path),
            transfer_pixels=str(folder / "pixels.npy"),
            evaluation_pixels=str(folder / "pixels.npy"),
            stored_logits=str(folder / "student.npy"),
            predictions=str(folder / "student.parquet"),
            count=views,
            transforms=list(transforms),
            seed=0,
            inference={"precision": "float32", "top_logits": 0},
            device=torch.device("cpu"),
        )

    return write


def infer(model, pixels, batch_size):
    """Logits of all images, float32 [images, classes]."""
    return torch.cat([logits for _, logits in infer_batches(model, pixels.__getitem__, len(pixels), batch_size, "cpu")])


def write_knowing_teachers(folder, known, labels, generator):
    """Write teachers that know the labels of some of the images, and are wrong elsewhere.

    Args:
        folder: where to write.
        known: dict of name to the first image that the teacher knows and the first that it no longer knows.
        labels: int [images].
        generator: draws the rest of their logits.

    Returns:
        Dict of name to Teacher.
    """
    made, images = {}, np.arange(len(labels))
    for name, (first, last) in known.items():
        knows = (first <= images) & (images < last)
        predicted = np.where(knows, labels, (labels + 1) % 10)
        noise = generator.normal(0, 0.1, (2, len(labels), 10))
        made[name] = write_teacher(folder, (4 + 2 * knows)[:, None] * np.eye(10)[predicted] + noise, labels, name)
    return made


def write_teacher(folder, logits, labels, name="teacher"):
    """Write the logits and predictions of a teacher whose logits are [views, images, classes]; returns a Teacher."""
    np.save(folder / f"{name}.npy", logits.astype(np.float16))
    index = pd.DataFrame({"image": [f"train/{n:08d}" for n in range(len(labels))], "label": labels})
    table = predict(index, torch.from_numpy(logits[0].astype(np.float32)))
    write_table(table, "predictions", folder / f"{name}.parquet", {"device": "cpu"})
    return Teacher(str(folder / f"{name}.npy"), str(folder / f"{name}.parquet"))


@pytest.fixture(scope="session")
def browser():
    """Debian's Chromium, driven as a person does."""
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("no chromium here")
    from playwright.sync_api import sync_playwright  # few tests need it

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Open a page with the network off; the console must stay silent."""
    contexts, said = [], []

    def look(page, width=1280, scheme="light", **address):
        path = tmp_path / "atlas.html"
        path.write_text(page)
        context = browser.new_context(offline=True, viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.goto(f"{path.as_uri()}#{urlencode(address)}")
        settle(tab)
        return tab

    yield look
    for context in contexts:
        context.close()
    assert said == []


@pytest.fixture
def chromium(opened):
    """Open a page and return its tables by id, the texts of its paragraphs by id, and its title."""

    def look(page, **address):
        tab = opened(page, **address)
        tables = {name: table_of(tab, name) for name in ("teachers", "pair", "byclass", "team")}
        return tables, {"status": tab.text_content("#status")}, tab.title()

    return look
