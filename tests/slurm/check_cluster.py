"""On a real Slurm: a study equals a local one to the bit, and a cancelled transfer goes on. Run by `make slurm-test`."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from running import SNAKEMAKE, TABLES, copy_repository, planned, snakemake

from transfer_atlas.tables import read_table

CLUSTER = Path(__file__).with_name("cluster.sh")
STUDY = "tests/slurm/study.yaml"
PROFILES = ("--profile", "slurm", "--profile", "tests/slurm/cluster.yaml")
MOST_JOBS = 25


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster that lives as long as this file's tests; no process of it may outlive them."""
    folder = Path("/tmp") / f"ta-slurm-{os.getpid()}"  # short: sockets have short names
    subprocess.run([CLUSTER, "up", folder], check=True)
    path = os.environ["PATH"]
    os.environ |= {"SLURM_CONF": f"{folder}/etc/slurm.conf", "PATH": f"{folder}/bin:{path}"}
    yield folder
    os.environ["PATH"] = path
    subprocess.run([CLUSTER, "down", folder], check=True)
    left = subprocess.run(["pgrep", "--full", str(folder)], capture_output=True, text=True, check=False).stdout
    assert left == ""


@pytest.fixture(scope="module")
def clone(cluster, tmp_path_factory):
    return copy_repository(tmp_path_factory.mktemp("slurm") / "transfer-atlas")


def submit(folder, *arguments, overlay=STUDY):
    """Start the workflow on Slurm."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    command = [SNAKEMAKE, *arguments, *PROFILES, "--configfile", *overlay.split()]
    with open(folder / "snakemake.log", "a") as log:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)


def jobs_of(folder):
    """What Slurm knows of the jobs so far: rule with its wildcards, partition, state."""
    shown = subprocess.run(
        ["scontrol", "show", "jobs", "--oneliner"], capture_output=True, text=True, check=True
    ).stdout
    found = [dict(re.findall(r"(\w+)=(\S+)", line)) for line in shown.splitlines() if "Comment=rule_" in line]
    return pd.DataFrame(found)[["JobId", "Comment", "Partition", "JobState"]]


def test_a_study_on_slurm_equals_a_local_one_to_the_bit(clone):
    assert submit(clone).wait(timeout=900) == 0, (clone / "snakemake.log").read_text()[-5000:]
    jobs = jobs_of(clone)
    assert len(jobs) <= MOST_JOBS
    assert set(jobs["JobState"]) == {"COMPLETED"}
    on_gpu = jobs["Comment"].str.match("rule_(train_model|compute_logits|compute_predictions|transfer)")
    assert set(jobs.loc[on_gpu, "Partition"]) == {"gpu"}
    assert set(jobs.loc[~on_gpu, "Partition"]) == {"cpu"}
    assert planned(clone, overlay=STUDY) == {}
    local = copy_repository(clone.parent / "local")
    snakemake(local, overlay=STUDY)
    for table in TABLES:
        ours, theirs = (read_table(folder / f"results/slurm_test/{table}.parquet") for folder in (clone, local))
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


def test_a_cancelled_transfer_is_sent_again_and_goes_on(clone):
    """scancel in the middle: the retry starts where the signal found the first."""
    overlay = clone / "config/long.yaml"
    overlay.write_text(
        "pairs: {teachers: [test_byobnet.a]}\ntransfer: {methods: {long: {target: teacher, epochs: 400}}}\n"
    )
    run = submit(
        clone,
        "results/slurm_test/transfers/long/test_mambaout.a/test_byobnet.a/0.parquet",
        overlay=f"{STUDY} {overlay}",
    )
    checkpoint = clone / "results/slurm_test/checkpoints/long/test_mambaout.a/test_byobnet.a/0.pt"
    while not checkpoint.exists():
        assert run.poll() is None, (clone / "snakemake.log").read_text()[-5000:]
        time.sleep(0.1)
    jobs = jobs_of(clone)
    job = jobs.loc[jobs["Comment"].str.contains("transfer_long"), "JobId"].iloc[0]
    subprocess.run(["scancel", job], check=True)
    assert run.wait(timeout=400) == 0, (clone / "snakemake.log").read_text()[-5000:]
    log = (clone / "logs/slurm_test/transfer_long_1/test_mambaout.a/0.log").read_text()
    assert re.search(r"goes on after [1-9]\d* epochs and \d+ steps", log)
    states = jobs_of(clone).query("Comment.str.contains('transfer_long')")["JobState"]
    assert sorted(states) == ["CANCELLED", "COMPLETED"]
