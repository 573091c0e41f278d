"""All ordered pairs of a zoo on an evaluation split of ImageNet's shape: our kernels against what one would write first.

Every way counts positive flips and their entropy over classes for all ordered pairs; the kernel counts the top-X % classes
in the same pass. The zoo is synthetic: 50,000 images, 50 of each of 1,000 classes. Slow ways are timed on a few pairs or
students, checked for equal counts, and extrapolated. Run from the repository's root: python benchmarks/compare_models.py
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numba
import numpy as np
import pandas as pd
from numba import njit, prange
from scipy.special import xlogy

from transfer_atlas.complementarity import agreement_kernels, flip_kernels, similarity_kernels
from transfer_atlas.complementarity.bits import popcount
from transfer_atlas.complementarity.classes import mean_cosine, unit_rows
from transfer_atlas.complementarity.counts import PairCounter
from transfer_atlas.complementarity.nulls import difficulty_null
from transfer_atlas.complementarity.packed_zoo import pack_zoo
from transfer_atlas.complementarity.pair_table import tabulate_chunks
from transfer_atlas.complementarity.rounded_similarity import round_cosines, rounded_mean_cosines
from transfer_atlas.complementarity.symmetric_counts import sign_confidences
from transfer_atlas.logits.zoo_predictions import ZooPredictions, read_zoo_predictions
from transfer_atlas.statistics import TOP_PERCENTS
from transfer_atlas.store.tables import fingerprint, write_chunks, write_table

CLASSES, PER_CLASS = 1000, 50
IMAGES = CLASSES * PER_CLASS
K_LN_K = xlogy(np.arange(PER_CLASS + 1.0), np.arange(PER_CLASS + 1.0))


def make_zoo(models, seed=0):
    """Labels [images], predictions int16 [models, images] and confidences float32, with classes of unequal difficulty."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.repeat(np.arange(CLASSES, dtype=np.int16), PER_CLASS))
    difficulty = (generator.normal(size=CLASSES)[labels] + generator.normal(size=IMAGES)).astype(np.float32)
    predictions = np.empty((models, IMAGES), np.int16)
    confidences = np.empty((models, IMAGES), np.float32)
    for row in range(models):
        margin = generator.normal(1.4, 0.4) - difficulty + generator.normal(size=IMAGES)
        other = (labels + generator.integers(1, 20, IMAGES)) % CLASSES
        predictions[row] = np.where(margin > 0, labels, other)
        confidences[row] = 1 / (1 + np.exp(-np.abs(margin)))
    return labels, predictions, confidences


def timed(function, *arguments):
    """Seconds and result of one call."""
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def by_kernel(correct, labels):
    """Packing included."""
    packed = flip_kernels.pack_by_class(correct, labels, CLASSES)
    return flip_kernels.count_flips(*packed, K_LN_K, np.array(TOP_PERCENTS))


def by_gemm(correct, labels):
    """Flips and entropy of all pairs by one float32 matrix product per class."""
    models = len(correct)
    flips, weighted = np.zeros((models, models), np.float32), np.zeros((models, models), np.float32)
    terms = K_LN_K.astype(np.float32)
    for label in range(CLASSES):
        right = correct[:, labels == label].astype(np.float32)
        in_class = (1 - right) @ right.T
        flips += in_class
        weighted += terms[in_class.astype(np.int8)]
    return flips, np.log(np.maximum(flips, 1)) - weighted / np.maximum(flips, 1)


def by_numpy_pair(student, teacher, labels):
    """Flips and entropy of one pair by NumPy."""
    in_class = np.bincount(labels[~student & teacher], minlength=CLASSES)
    flips = in_class.sum()
    return flips, np.log(flips) - K_LN_K[in_class].sum() / flips


def by_python_pair(student, teacher, labels):
    """Flips and entropy of one pair, image by image."""
    in_class = [0] * CLASSES
    for wrong, right, label in zip(student, teacher, labels, strict=True):
        if not wrong and right:
            in_class[label] += 1
    flips = sum(in_class)
    return flips, np.log(flips) - sum(k * np.log(k) for k in in_class if k) / flips


@njit(parallel=True)
def count_bits(right, wrong):
    """The bare population counts of all pairs: what the machine gives at most."""
    models = len(right)
    flips = np.zeros((models, models), np.int32)
    for student in prange(models):
        for teacher in range(models):
            w, r = wrong[student], right[teacher]
            total = 0
            for word in range(len(w)):
                total += popcount(w[word] & r[word])
            flips[student, teacher] = total
    return flips


@njit(parallel=True)
def count_in_classes(right, wrong):
    """The population counts of all pairs, each class's kept as a byte."""
    models, classes = right.shape
    flips = np.zeros((models, models), np.int32)
    for student in prange(models):
        in_class = np.zeros(classes, np.uint8)
        for teacher in range(models):
            w, r = wrong[student], right[teacher]
            total = 0
            for word in range(classes):
                in_class[word] = popcount(w[word] & r[word])
                total += in_class[word]
            flips[student, teacher] = total
    return flips


@njit(parallel=True)
def count_bins(right, wrong):
    """The same with the histogram of the flips of classes."""
    models, classes = right.shape
    most = np.zeros((models, models), np.int32)
    for student in prange(models):
        in_class, histogram = np.zeros(classes, np.uint8), np.zeros(PER_CLASS + 4, np.int32)
        for teacher in range(models):
            most[student, teacher] = flip_kernels._histogram_of_words(
                wrong[student], right[teacher], in_class, histogram
            )
    return most


def stages(models):
    """What each part of the kernel costs, against the bare population counts."""
    labels, predictions, _ = make_zoo(models)
    packed = flip_kernels.pack_by_class(predictions == labels, labels, CLASSES)
    parts = {
        "bare population counts": lambda: count_bits(*packed[:2]),
        "with a byte per class": lambda: count_in_classes(*packed[:2]),
        "with the histogram of the classes": lambda: count_bins(*packed[:2]),
        "with entropy and top-X % classes": lambda: flip_kernels.count_flips(*packed, K_LN_K, np.array(TOP_PERCENTS)),
    }
    seconds = {name: min(timed(part)[0] for _ in range(4)) for name, part in parts.items()}
    return {name: f"{taken:.2f} s, {seconds['bare population counts'] / taken:.0%}" for name, taken in seconds.items()}


def compare(models):
    """One row of the table of flips and entropy."""
    labels, predictions, _ = make_zoo(models)
    correct = predictions == labels
    kernel, (flips, entropy, *_) = min((timed(by_kernel, correct, labels) for _ in range(3)), key=lambda run: run[0])
    pairs = models * (models - 1)
    packed = flip_kernels.pack_by_class(correct, labels, CLASSES)
    bits, _ = min((timed(count_bits, *packed[:2]) for _ in range(3)), key=lambda run: run[0])
    counting = min(timed(flip_kernels.count_flips, *packed, K_LN_K, np.array(TOP_PERCENTS))[0] for _ in range(3))
    gemm, (gemm_flips, _) = timed(by_gemm, correct, labels)
    assert (gemm_flips == flips).all()
    some = [(0, teacher) for teacher in range(1, 101)]
    numpy, found = timed(lambda: [by_numpy_pair(correct[s], correct[t], labels) for s, t in some])
    assert all(
        count == flips[pair] and abs(h - entropy[pair]) < 1e-9 for pair, (count, h) in zip(some, found, strict=True)
    )
    python, found = timed(lambda: [by_python_pair(correct[s], correct[t], labels) for s, t in some[:3]])
    assert all(count == flips[pair] for pair, (count, _) in zip(some, found, strict=False))
    return {
        "models": f"{models:,}",
        "ordered pairs": f"{pairs:,}",
        "kernel": f"{kernel:.2f} s",
        "GEMM per class": f"{gemm / kernel:.0f}x",
        "NumPy per pair": f"{numpy / len(some) * pairs / kernel:,.0f}x",
        "Python per image": f"{python / 3 * pairs / kernel:,.0f}x",
        "of the popcount rate": f"{bits / counting:.0%}",
    }


def rest(models):
    """Seconds of the other measures of all pairs."""
    labels, predictions, confidences = make_zoo(models)
    correct = predictions == labels
    packed = flip_kernels.pack_by_class(correct, labels, CLASSES)
    kernel, (_, _, top_classes, last_classes) = timed(flip_kernels.count_flips, *packed, K_LN_K, np.array(TOP_PERCENTS))
    zoo = ZooPredictions([f"m{row:04d}" for row in range(models)], labels, predictions, confidences)
    ranking, (signed, _) = timed(sign_confidences, zoo)
    seconds = {"ranks of confidences": ranking}
    agreement, _ = timed(agreement_kernels.count_agreement, predictions, predictions, signed, signed, True)
    seconds["same prediction and more confident choice"] = agreement
    packed_zoo = pack_zoo(zoo)
    null, difficulty = timed(difficulty_null, packed_zoo, zoo)
    null += timed(difficulty.expect, slice(models), slice(models))[0]
    seconds[f"expected flips ({null / kernel:.1f}x the kernel)"] = null
    unit = unit_rows(np.random.default_rng(0).gamma(0.02, size=(CLASSES, CLASSES)) + 10 * np.eye(CLASSES))
    easiest_last = np.argsort(np.bincount(labels, weights=correct.mean(axis=0)), kind="stable")
    cosines = round_cosines(unit, easiest_last)
    rounded, found = timed(rounded_mean_cosines, *packed, top_classes, last_classes, cosines)
    blocks = similarity_kernels.block_embeddings(unit)
    exact, true = timed(similarity_kernels.similarity_of_top_classes, *packed, top_classes, blocks)
    seconds[f"class similarity from sums of embeddings, {CLASSES} dims"] = exact
    seconds[f"class similarity from rounded cosines ({exact / rounded:.1f}x faster)"] = rounded
    error = np.sqrt(np.nanmean((found - true) ** 2, axis=(0, 1))) / mean_cosine(unit)
    print("error of rounding, root mean square, in mean cosines:", *(f"{value:.1e}" for value in error))
    return seconds


def job(predictions, table, began):
    """What a job of compare_models does, and how long each stage takes; `began` is when its process was started."""
    numba.config.THREADING_LAYER = "workqueue"  # as in the workflow
    stages, start = {"imports": time.time() - began}, time.perf_counter()

    def stage(name, function, *arguments):
        nonlocal start
        result = function(*arguments)
        stages[name], start = time.perf_counter() - start, time.perf_counter()
        return result

    predicted = stage("read the predictions", read_zoo_predictions, predictions)
    embeddings = np.random.default_rng(0).random((CLASSES, CLASSES))
    counter = stage("count what both orders share", PairCounter, predicted, embeddings)
    stage("count the rest and write the table", write_chunks, tabulate_chunks(counter), "complementarity", table)
    stages = [f"{name}: {seconds:.1f} s" for name, seconds in stages.items()]
    print(*stages, f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB", sep="; ")


def whole_job(models, folder):
    """What compare_models does, in a process of its own, on prediction files as the workflow writes them."""
    labels, predictions, confidences = make_zoo(models)
    images = [f"evaluation/{row:08d}" for row in range(IMAGES)]
    provenance = {"fingerprint": fingerprint(images, labels)}
    for row in range(models):
        correct = predictions[row] == labels
        table = {"image": images, "label": labels, "prediction": predictions[row], "correct": correct}
        table |= {"confidence": confidences[row].astype(float), "label_probability": confidences[row] * correct}
        write_table(pd.DataFrame(table), "predictions", folder / f"predictions/m{row:04d}.parquet", provenance)
    files = [str(folder / name) for name in ("predictions", "pairs.parquet")]
    command = [sys.executable, __file__, "--job", *files, str(time.time())]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    size = (folder / "pairs.parquet").stat().st_size
    return f"{done.stdout.strip()}; table of {size / 2**20:,.0f} MiB"


def main():
    """Print the tables of docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, nargs="+", default=[301, 1200, 1826])
    parser.add_argument("--job", nargs=3, metavar=("PREDICTIONS", "TABLE", "BEGAN"), help="time the whole job alone")
    given = parser.parse_args()
    if given.job:
        predictions, table, began = given.job
        job(predictions, table, float(began))
        return
    models = given.models
    warm = make_zoo(20)
    by_kernel(warm[1] == warm[0], warm[0])
    count_bits(*flip_kernels.pack_by_class(warm[1] == warm[0], warm[0], CLASSES)[:2])
    rest(20)
    print(f"{numba.get_num_threads()} threads; kernels compiled beforehand\n")
    print(pd.DataFrame([compare(number) for number in models]).to_markdown(index=False), flush=True)
    print(f"\nparts of the kernel, {models[-1]:,} models:", *stages(models[-1]).items(), sep="\n- ", flush=True)
    print(f"\nthe other measures of all pairs of {models[-1]:,} models:")
    for name, seconds in rest(models[-1]).items():
        print(f"- {name}: {seconds:.1f} s", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        print(f"\nthe whole job, {models[-1]:,} models:\n{whole_job(models[-1], Path(folder))}")


if __name__ == "__main__":
    main()
