"""Whether class similarity could come from fewer dimensions: its error with projections of the class embeddings.

Cosines of classes, without those of a class with itself, are approximated by a matrix of low rank: its own diagonal is fitted too,
so that only cosines between different classes count. Reads the study of public networks (docs/imagenet.md). Run from the
repository's root: python benchmarks/low_rank.py
"""

from pathlib import Path

import numpy as np
import pandas as pd

from transfer_atlas.complementarity.classes import mean_cosine, unit_rows
from transfer_atlas.logits.zoo_predictions import read_zoo_predictions
from transfer_atlas.statistics import TOP_PERCENTS

RESULTS = Path("results/imagenet_public")
PAIRS, ROUNDS = 300, 10


def top_classes(correct, labels, student, teacher, classes):
    """Dict of threshold in percent to the classes that hold so much of the flips of a pair."""
    flips = np.bincount(labels[~correct[student] & correct[teacher]], minlength=classes)
    order = np.argsort(-flips, kind="stable")
    held = np.cumsum(flips[order])
    return {percent: order[: np.searchsorted(held, percent / 100 * held[-1]) + 1] for percent in TOP_PERCENTS}


def approximate(cosines, rank):
    """The matrix of this rank, less its diagonal, that comes closest to the cosines of different classes (principal axes)."""
    fitted = cosines.copy()
    np.fill_diagonal(fitted, 0)
    for _ in range(ROUNDS):
        values, vectors = np.linalg.eigh(fitted)
        largest = np.argsort(-np.abs(values))[:rank]
        low_rank = (vectors[:, largest] * values[largest]) @ vectors[:, largest].T
        np.fill_diagonal(fitted, np.diag(low_rank))
    return low_rank - np.diag(np.diag(low_rank))


def mean_of(matrix, chosen):
    """Mean over the pairs of different classes of a set."""
    return matrix[np.ix_(chosen, chosen)].sum() / (len(chosen) * (len(chosen) - 1))


def main():
    """Print the similarity of the top classes, and the root mean square of its error for several ranks."""
    if not RESULTS.exists():
        print(f"{RESULTS} is missing: snakemake --cores 2 --configfile config/imagenet_public.yaml")
        return
    predicted = read_zoo_predictions(str(RESULTS / "predictions/evaluation"))
    labels, correct = np.asarray(predicted.labels), np.asarray(predicted.correct)
    unit = unit_rows(np.load(RESULTS / "class_embeddings.npy")).astype(float)
    exact, mean = unit @ unit.T, mean_cosine(unit)
    np.fill_diagonal(exact, 0)
    generator = np.random.default_rng(0)
    pairs = [generator.choice(len(correct), 2, replace=False) for _ in range(PAIRS)]
    sets = [top_classes(correct, labels, *pair, len(unit)) for pair in pairs]
    of_percent = {percent: [here[percent] for here in sets if len(here[percent]) > 1] for percent in TOP_PERCENTS}
    similarity = {p: np.mean([mean_of(exact, s) for s in chosen]) / mean - 1 for p, chosen in of_percent.items()}
    rows = [{"what": "mean similarity"} | similarity]
    for rank in (32, 64, 128, 256):
        error = approximate(exact, rank) - exact
        squares = {p: np.mean([mean_of(error, s) ** 2 for s in chosen]) for p, chosen in of_percent.items()}
        rows.append({"what": f"error, rank {rank}"} | {p: np.sqrt(square) / mean for p, square in squares.items()})
    print(
        pd.DataFrame(rows)
        .rename(columns={p: f"top {p} %" for p in TOP_PERCENTS})
        .to_markdown(index=False, floatfmt=".3f")
    )


if __name__ == "__main__":
    main()
