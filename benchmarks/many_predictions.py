"""A study of predictions made elsewhere, through the whole workflow: 1,000 models on an evaluation split of ImageNet's shape.

Times the import with the comparison of all pairs, and then the six figures. Run from the repository's root:
python benchmarks/many_predictions.py
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from compare_models import IMAGES, make_zoo

STUDY = "benchmark_many_predictions"


def snakemake(*targets, config):
    """Seconds that the workflow takes."""
    command = [Path(sys.executable).with_name("snakemake"), "--cores", "2", *targets, "--configfile", config]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main():
    """Print what docs/benchmarks.md says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--keep", action="store_true", help="keep the results, to look at the figures")
    arguments = parser.parse_args()
    labels, predictions, confidences = make_zoo(arguments.models)
    with tempfile.TemporaryDirectory() as folder:
        for row in range(arguments.models):
            table = {"image": range(IMAGES), "label": labels, "prediction": predictions[row]}
            pd.DataFrame(table | {"confidence": confidences[row]}).to_parquet(f"{folder}/m{row:04d}.parquet")
        config = Path(folder) / "config.json"
        config.write_text(json.dumps({"study": STUDY, "predictions": {"files": f"{folder}/*.parquet"}}))
        results = f"results/{STUDY}"
        compared = snakemake(f"{results}/complementarity.parquet", config=config)
        drawn = snakemake(config=config)
    print(f"{arguments.models:,} models: import and comparison {compared:.0f} s, six figures {drawn:.0f} s")
    if not arguments.keep:
        shutil.rmtree(results)
        shutil.rmtree(f"logs/{STUDY}")


if __name__ == "__main__":
    main()
