"""A finished study of 10,000 transfers: how long the workflow takes to see that nothing is to do, and to gather them.

python benchmarks/finished_study.py. The results are empty files but for the transfers, which are tables of one row.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import yaml

from transfer_atlas.schemas.tables import SCHEMAS
from transfer_atlas.store.tables import gather, write_table

ROOT = Path(__file__).parents[1]
SNAKEMAKE = Path(sys.executable).with_name("snakemake")
STUDENTS, TEACHERS = 100, 100


def write_study(folder):
    """A grid of models, all of one architecture, whose names differ."""
    names = [f"test_vit.m{number}" for number in range(STUDENTS + TEACHERS)]
    rows = ["model\tarchitecture\tweights", *(f"{name}\ttest_vit\ttrain:short" for name in names)]
    (folder / "zoo.tsv").write_text("\n".join(rows) + "\n")
    study = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    study |= {
        "study": "finished",
        "zoo": {"sheet": str(folder / "zoo.tsv"), "recipes": {"short": {"epochs": 1, "lr": 0.002}}},
        "pairs": {"students": names[:STUDENTS], "teachers": names[STUDENTS:]},
        "transfer": {"pairs_per_job": 20, "methods": {"kl_dp": {"target": "most_confident", "confidence": "label"}}},
    }
    study["images"]["root"] = str(ROOT / study["images"]["root"])
    (folder / "study.yaml").write_text(yaml.safe_dump(study))


def snakemake(folder, *arguments):
    """Run the workflow in a folder: (seconds, output)."""
    command = [SNAKEMAKE, "-s", ROOT / "Snakefile", "--cores", "2", *arguments, "--configfile", "study.yaml"]
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return time.perf_counter() - began, done.stdout + done.stderr


def one_row():
    """A transfer's row; what it says does not matter."""
    values = {"string": "a.b", "double": 0.125, "int64": 3}
    return pa.table(
        {
            field.name: pa.array([[0.5] * 20 if pa.types.is_list(field.type) else values[str(field.type)]], field.type)
            for field in SCHEMAS["transfers"]
        }
    ).to_pandas()


def finish(folder):
    """Put every result in its place."""
    table = [line.split("\t")[0] for line in snakemake(folder, "--summary")[1].splitlines()]
    results = [folder / path for path in table if path.startswith("results/")]
    write_table(one_row(), "transfers", folder / "row.parquet", {"seconds": 1.5})
    row = (folder / "row.parquet").read_bytes()
    for path in results:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(row if "/transfers/" in str(path) else b"")
    snakemake(folder, "--touch")
    return [path for path in results if "/transfers/" in str(path)]


def main():
    """Print both times."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_study(folder)
        plan, _ = snakemake(folder, "--dry-run", "--quiet", "all")
        transfers = finish(folder)
        again, said = snakemake(folder)
        assert "Nothing to be done" in said, said[-2000:]
        began = time.perf_counter()
        rows, _ = gather(transfers, "transfers")
        print(f"{len(rows):,} transfers of {STUDENTS + TEACHERS} models")
        print(f"planning the study: {plan:.1f} s")
        print(f"the finished study, nothing to do: {again:.1f} s")
        print(f"gathering: {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
