"""The small study, running the real workflow in a copy of the repository, and what other processes run: no torch here."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import yaml

from transfer_atlas.jobs.gpus import claim_gpu
from transfer_atlas.jobs.lock import hold_lock
from transfer_atlas.store.tables import read_table
from transfer_atlas.study.figures import FIGURES

ROOT = Path(__file__).parents[1]
SNAKEMAKE = Path(sys.executable).with_name("snakemake")
FIGURES_OF_PAIRS = set(FIGURES["Complementarity"])
FIGURES_ON_REQUEST = {
    figure
    for figures in FIGURES.values()
    for figure, tables in figures.items()
    if {"sweeps", "agreement", "teams", "ledger", "strategies", "choices"} & set(tables)
}
FIGURES_OF_TRANSFERS = set().union(*FIGURES.values()) - FIGURES_OF_PAIRS - FIGURES_ON_REQUEST
TABLES = ("models", "complementarity", "pairs", "transfers")

# the embedded study with the same rules and code, cut down to three small models and two pairs
SMALL = {
    "study": "small",
    "images": {
        "root": "data/small",
        "train": "train.parquet",
        "evaluation": "test.parquet",
        "classes": 10,
        "transfer_images": 200,
    },
    "geometry": {"input_size": 32, "crop_pct": 1.0, "interpolation": "bilinear"},
    "views": {"count": 2, "transforms": [{"name": "RandomHorizontalFlip"}]},
    "zoo": {
        "sheet": "config/small_zoo.tsv",
        "recipes": {"short": {"epochs": 1, "lr": 0.002, "batch_size": 256}},
    },
    "pairs": {"students": ["test_mambaout.a"], "teachers": ["test_byobnet.a", "test_convnext.a"]},
    "transfer": {
        "epochs": 2,
        "batch_size": 64,
        "lr": 0.0005,
        "pairs_per_job": 5,
        "methods": {
            # long enough to be killed in the middle
            "kl": {"target": "teacher", "epochs": 40},
            "kl_dp": {"target": "most_confident", "confidence": "label"},
            "self": {"target": "student"},
            "labels": {"label_weight": 1.0},
        },
    },
}
# two geometries: the second teacher sees larger crops
SMALL_ZOO = """model\tarchitecture\tweights\tinference_batch_size\tinput_size
test_mambaout.a\ttest_mambaout\ttrain:short\t500\t
test_byobnet.a\ttest_byobnet\ttrain:short\t500\t
test_convnext.a\ttest_convnext3\ttrain:short\t500\t40
"""


def copy_repository(copy):
    """Copy the repository's tracked and new files, and write the small study and its images into it."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file() or (ROOT / name).is_symlink():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)
    (copy / "data/small").mkdir(parents=True)
    for split, every in (("train", 5), ("test", 10)):  # 1,600 and 1,000 images
        images = pq.read_table(copy / f"src/transfer_atlas/datasets/fashion_mnist/{split}.parquet")
        pq.write_table(images.take(list(range(0, len(images), every))), copy / f"data/small/{split}.parquet")
    share_kernels(copy)
    (copy / "config/small_zoo.tsv").write_text(SMALL_ZOO)
    (copy / "config/small.yaml").write_text(yaml.safe_dump(SMALL))
    return copy


def share_kernels(copy):
    """Let a copy use the repository's compiled kernels: numba takes 25 seconds, and looks at paths and times."""
    ours, theirs = (folder / "src/transfer_atlas/complementarity" for folder in (ROOT, copy))
    for kernels in ours.glob("*.py"):
        shutil.copystat(kernels, theirs / kernels.name)
    (ours / "__pycache__").mkdir(exist_ok=True)
    (theirs / "__pycache__").symlink_to(ours / "__pycache__")


def snakemake(folder, *arguments, overlay="config/small.yaml", check=True):
    """Run the workflow of the copy, with the copy's package; `overlay` may be several files, the base first."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    # --configfile and --quiet take what follows, so targets come before them
    files = overlay.split() if overlay else []
    command = [SNAKEMAKE, "--cores", "2", *arguments, *(["--configfile", *files] if files else [])]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


def targets_of(study="small"):
    """The gathered tables as targets, for runs that have no need of every figure."""
    return [f"results/{study}/{table}.parquet" for table in TABLES]


def planned(folder, *arguments, overlay="config/small.yaml"):
    """Jobs per rule of a dry run; blocks of one method's transfers counted together."""
    text = snakemake(folder, *arguments, "--dry-run", "--quiet", "rules", overlay=overlay).stdout
    jobs = {}
    table = text.split("Job stats:")[1] if "Job stats:" in text else ""  # it is printed twice
    for rule, count in re.findall(r"^(\w+) +(\d+)$", table, flags=re.M):
        rule = re.sub(r"_\d+$", "", rule)
        jobs[rule] = jobs.get(rule, 0) + int(count)
    return {rule: count for rule, count in jobs.items() if rule not in ("all", "total")}


def overlay_of(folder, name, change):
    """Write the small study with some keys changed and return the path of the file."""
    small = yaml.safe_load((folder / "config/small.yaml").read_text())
    for key, value in change.items():
        *parents, last = key.split(".")
        section = small
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = value
    (folder / f"config/{name}.yaml").write_text(yaml.safe_dump(small))
    return f"config/{name}.yaml"


def tables_of(folder, study="small"):
    """The gathered tables of a study."""
    return {table: read_table(folder / f"results/{study}/{table}.parquet") for table in TABLES}


def hold_and_die(path):
    """Take a lock and end."""
    hold_lock(path)


def claim_and_wait(folder, taken, leave):
    """Claim one of two GPUs, say which, and keep it until `leave`."""
    environment = {"CUDA_VISIBLE_DEVICES": "0,1"}
    taken.put(claim_gpu(environment, folder, wait=0.05))
    assert environment["CUDA_VISIBLE_DEVICES"] in ("0", "1")
    leave.wait()
