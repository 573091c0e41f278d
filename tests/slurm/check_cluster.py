"""On a real Slurm: a study equals a local one to the bit, and goes on whatever ends its jobs. Run by `make slurm-test`."""

import pandas as pd
import pytest
from kills import STAGES, Site, play
from running import TABLES, copy_repository, planned, snakemake, tables_of
from strikes import COMMAND, PROFILES, SLURM, jobs_of_slurm, slurm

from transfer_atlas.store.tables import read_table

STUDY = "tests/slurm/study.yaml"
MOST_JOBS = 25
# a cell of each row of the kill matrix (docs/reliability.md): how the job ends, and what Slurm calls it
CELLS = {
    "scancel": ("transfer, mid-epoch", "CANCELLED"),
    "requeued": ("transfer, mid-epoch", None),
    "time limit": ("transfer, mid-epoch", "TIMEOUT"),
    "slurmd stopped": ("gather", "NODE_FAIL"),
    "node down": ("transfer, mid-epoch", "NODE_FAIL"),
    "over memory": ("gather", "FAILED"),
}


@pytest.fixture(scope="module")
def cluster():
    with slurm() as folder:
        yield folder


@pytest.fixture(scope="module")
def site(cluster, tmp_path_factory):
    folder = copy_repository(tmp_path_factory.mktemp("slurm") / "transfer-atlas")
    return Site(folder, arguments=PROFILES, study="slurm_test", overlay=STUDY, command=COMMAND)


def log_of(site):
    return (site.folder / "snakemake.log").read_text()[-5000:]


def test_a_study_on_slurm_equals_a_local_one_to_the_bit(site):
    assert site.start("all").wait(timeout=900) == 0, log_of(site)
    jobs = jobs_of_slurm()
    assert len(jobs) <= MOST_JOBS
    assert set(jobs["JobState"]) == {"COMPLETED"}
    on_gpu = jobs["Comment"].str.match("rule_(train_model|compute_logits|compute_predictions|transfer)")
    assert set(jobs.loc[on_gpu, "Partition"]) == {"gpu"}
    assert set(jobs.loc[~on_gpu, "Partition"]) == {"cpu"}
    assert planned(site.folder, overlay=STUDY) == {}
    local = copy_repository(site.folder.parent / "local")
    snakemake(local, overlay=STUDY)
    for table in TABLES:
        ours, theirs = (read_table(folder / f"results/slurm_test/{table}.parquet") for folder in (site.folder, local))
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


@pytest.mark.parametrize("row", CELLS)
def test_a_job_that_slurm_ends_is_sent_again_and_goes_on(row, site):
    (column, state), undisturbed, before = CELLS[row], tables_of(site.folder, site.study), len(jobs_of_slurm())
    stage = STAGES[column]
    outcome = play(site, stage, SLURM[row], undisturbed)
    assert outcome.struck, log_of(site)
    assert outcome.codes == [0], log_of(site)
    assert outcome.equal
    assert outcome.leftovers == []
    assert outcome.goes_on or column != "transfer, mid-epoch"
    assert state is None or state in set(jobs_of_slurm()["JobState"].iloc[before:])
