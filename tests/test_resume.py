"""A study that is killed ends like an undisturbed one."""

import os
import signal
import subprocess
import time

import pandas as pd
import pytest
from running import SNAKEMAKE, TABLES, overlay_of, snakemake, tables_of

pytestmark = pytest.mark.xdist_group("study")


def kill_when(folder, overlay, seen):
    """Start the study and kill -9 snakemake and its jobs as soon as `seen` finds what it waits for."""
    process = subprocess.Popen(
        [SNAKEMAKE, "--cores", "2", "--configfile", overlay],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src")},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not seen():
        assert process.poll() is None, "the study ended before it could be killed"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_study_killed_while_it_trains_and_while_it_transfers_ends_with_the_same_tables(finished):
    overlay = overlay_of(finished, "killed", {"study": "killed"})
    log = finished / "logs/killed/train_model/test_byobnet.a.log"
    checkpoint = finished / "results/killed/checkpoints/kl/test_mambaout.a/test_byobnet.a/0.pt"
    kill_when(finished, overlay, lambda: log.exists() and "epoch 1" in log.read_text())
    kill_when(finished, overlay, checkpoint.exists)
    snakemake(finished, overlay=overlay)
    assert "goes on after" in (finished / "logs/killed/transfer_kl_1/test_mambaout.a/0.log").read_text()
    assert not list((finished / "results/killed/checkpoints").rglob("*.pt"))
    undisturbed, resumed = tables_of(finished), tables_of(finished, "killed")
    for table in TABLES:
        pd.testing.assert_frame_equal(undisturbed[table], resumed[table], check_exact=True)
