"""All ordered pairs of 10,000 models on the validation images of ImageNet, with bounded memory.

The models are synthetic, and as alike as real ones are: each predicts every image as one of three real networks does, drawn
anew for each image. The real ones are those of the study of config/imagenet_public.yaml, whose results must lie in
results/imagenet_public. results/large_zoo keeps what was made, so that a run that was killed goes on: about 35 GB for 10,000
models. Run from the repository's root: python benchmarks/large_zoo.py
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from transfer_atlas.complementarity.job import compare_zoo
from transfer_atlas.complementarity.pair_table import compare_models
from transfer_atlas.logits.zoo_predictions import read_images, read_zoo_predictions
from transfer_atlas.store.arrays import open_array
from transfer_atlas.store.provenance import Provenance
from transfer_atlas.store.tables import fingerprint, read_table, write_table

REAL = "results/imagenet_public"
PARENTS = 3
COLUMNS = ["positive_flips", "error_consistency", "same_prediction", "flip_entropy"]


@cache
def real_zoo():
    """ZooPredictions of the real networks, and the ids of the images."""
    folder = f"{REAL}/predictions/evaluation"
    return read_zoo_predictions(folder), read_images(folder)


def write_model(number, folder):
    """Write the predictions of one synthetic model, unless they are there."""
    path = folder / f"m{number:05d}.parquet"
    if path.exists():
        return
    predicted, images = real_zoo()
    generator = np.random.default_rng(number)
    parents = generator.choice(len(predicted.models), PARENTS, replace=False)
    of_image = (
        parents[generator.choice(PARENTS, len(images), p=generator.dirichlet(np.full(PARENTS, 2.0)))],
        range(len(images)),
    )
    prediction, confidence = predicted.prediction[of_image], predicted.confidence[of_image].astype(float)
    confidence = np.clip(confidence + generator.normal(0, 0.01, len(images)), 0.001, 1)
    table = {"image": images, "label": predicted.labels, "prediction": prediction}
    table |= {"correct": prediction == predicted.labels, "confidence": confidence, "label_probability": np.nan}
    write_table(pd.DataFrame(table), "predictions", path, {"fingerprint": fingerprint(images, predicted.labels)})


def compare(folder, students_per_file, began):
    """Compare all pairs as the workflow does, in this process; print what it took."""
    outputs = {name: folder / f"{name}.parquet" for name in ("complementarity", "sample", "flips_by_class")}
    recipe = {"examples": {"equal": 0.5}, "same_network": []}
    embeddings = open_array(f"{REAL}/class_embeddings.npy")
    predictions, threads = str(folder / "predictions"), os.cpu_count()
    compare_zoo(predictions, embeddings, outputs, students_per_file, recipe, Provenance(), threads=threads)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"compared in {time.time() - began:.0f} s, peak memory {memory:.2f} GiB", flush=True)


def check(folder, number=30):
    """Compare pairs of a few models anew, in memory: how many rows of the folder are equal to them to the bit."""
    predicted = read_zoo_predictions(str(folder / "predictions"))
    students = np.random.default_rng(1).choice(len(predicted.models), number, replace=False)
    columns = ["student", "teacher", *COLUMNS]
    stored = read_table(folder / "complementarity.parquet", columns, students=[predicted.models[s] for s in students])
    chosen = type(predicted)(
        [predicted.models[s] for s in students],
        predicted.labels,
        predicted.prediction[students],
        predicted.confidence[students],
    )
    anew = compare_models(chosen)[columns].merge(stored, on=["student", "teacher"], suffixes=("", "_stored"))
    equal = all((anew[name] == anew[f"{name}_stored"]).all() for name in COLUMNS)
    print(f"{len(anew):,} sampled pairs counted anew: {'equal to the bit' if equal else 'NOT equal'}")


def likeness(folder):
    """Quartiles of some measures over pairs of real and of synthetic models."""
    real = compare_models(real_zoo()[0])
    tables = {"real": real, "synthetic": read_table(folder / "sample.parquet", COLUMNS)}
    rows = {
        name: table[COLUMNS].quantile([0.25, 0.5, 0.75]).round(3).T.agg(list, axis=1) for name, table in tables.items()
    }
    print(pd.DataFrame(rows).to_markdown(), flush=True)


def main():
    """Print what docs/benchmarks.md says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("results/large_zoo"))
    parser.add_argument("--models", type=int, default=10_000)
    parser.add_argument("--students-per-file", type=int, default=500)
    parser.add_argument("--began", type=float, help="compare alone, in a process that was started then")
    given = parser.parse_args()
    if given.began:
        compare(given.folder, given.students_per_file, given.began)
        return
    if not Path(REAL).exists():
        print(f"{REAL} is missing: snakemake --cores 2 --configfile config/imagenet_public.yaml")
        return
    predictions = given.folder / "predictions"
    predictions.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor() as pool:
        list(pool.map(write_model, range(given.models), [predictions] * given.models, chunksize=50))
    command = [sys.executable, __file__, "--folder", given.folder, "--students-per-file", str(given.students_per_file)]
    subprocess.run([*map(str, command), "--began", str(time.time())], check=True)
    files = sorted((given.folder / "complementarity.parquet").iterdir())
    size, rows = sum(file.stat().st_size for file in files), sum(pq.read_metadata(file).num_rows for file in files)
    print(f"{rows:,} ordered pairs in {len(files)} files, {size / 2**30:.1f} GiB")
    start = time.perf_counter()
    of_one = read_table(given.folder / "complementarity.parquet", ["teacher", "positive_flips"], students=["m00017"])
    print(f"all {len(of_one):,} teachers of one model read in {time.perf_counter() - start:.2f} s")
    likeness(given.folder)
    check(given.folder)


if __name__ == "__main__":
    main()
