"""A real Slurm on this machine, and how it ends a job."""

import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pandas as pd
from kills import Strike

CLUSTER = Path(__file__).with_name("cluster.sh")
# as arguments of Snakemake, from the repository's root
PROFILES = ("--profile", "slurm", "--profile", "tests/slurm/cluster.yaml")
COMMAND = (sys.executable, Path(__file__).with_name("impatient.py"))  # Snakemake


@contextmanager
def slurm():
    """A cluster for as long as the block lasts; no process of it may outlive the block."""
    folder = Path("/tmp") / f"ta-slurm-{os.getpid()}"  # short: sockets have short names
    path = os.environ["PATH"]
    subprocess.run([CLUSTER, "up", folder], check=True)
    os.environ |= {"SLURM_CONF": f"{folder}/etc/slurm.conf", "PATH": f"{folder}/bin:{path}", "SLURM_TEST": str(folder)}
    try:
        yield folder
    finally:
        os.environ["PATH"] = path
        subprocess.run([CLUSTER, "down", folder], check=True)
    left = subprocess.run(["pgrep", "--full", str(folder)], capture_output=True, text=True, check=False).stdout
    assert left == ""


def output_of(*command):
    """Standard output of a command that must succeed."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def jobs_of_slurm():
    """What Slurm knows of the jobs so far: number, rule with its wildcards, partition, state, node."""
    shown = output_of("scontrol", "show", "jobs", "--oneliner")
    found = [dict(re.findall(r"(\w+)=(\S+)", line)) for line in shown.splitlines() if "Comment=rule_" in line]
    return pd.DataFrame(found, columns=["JobId", "Comment", "Partition", "JobState", "NodeList"])


def running_job(stage):
    """The running job of a stage's rule."""
    jobs = jobs_of_slurm().query("JobState == 'RUNNING'")
    return jobs[jobs["Comment"].str.startswith(f"rule_{stage.rule}")].iloc[-1]


def wait_until(true, seconds=90):
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "stayed false"
        time.sleep(0.2)


def has_ended(job):
    """Whether Slurm has given a job up."""
    return "JobState=RUNNING" not in output_of("scontrol", "show", "job", job["JobId"])


def hold(site, stage):
    """Stop the script at its moment, because Slurm takes its time; returns its job. A signal to end wakes it."""
    for script in site.jobs(stage.rule):
        script.suspend()
    return running_job(stage)


def cancel(site, stage, process):
    """As a user does."""
    subprocess.run(["scancel", hold(site, stage)["JobId"]], check=True)


def end_time(site, stage, process):
    """Let the job's time be over: SIGTERM, and SIGKILL 30 seconds later."""
    job = hold(site, stage)
    subprocess.run(["scontrol", "update", f"JobId={job['JobId']}", "TimeLimit=0"], check=True)


def requeue(site, stage, process):
    """As a preempting partition does: the same job begins again."""
    job = f"JobId={hold(site, stage)['JobId']}"
    subprocess.run(["scontrol", "update", job, "Requeue=1"], check=True)
    subprocess.run(["scontrol", "requeue", job.removeprefix("JobId=")], check=True)


def stop_slurmd(site, stage, process):
    """End the daemon of the job's node, and start it again when Slurm has given the job up."""
    job, folder = hold(site, stage), Path(os.environ["SLURM_TEST"])
    node = job["NodeList"]
    subprocess.run(["kill", (folder / f"run/slurmd-{node}.pid").read_text().strip()], check=True)
    wait_until(partial(has_ended, job))
    subprocess.run(["slurmd", "-N", node], check=True, env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin"})


def fail_node(site, stage, process):
    """Set the job's node down, and back when Slurm has given the job up."""
    job = hold(site, stage)
    node = f"NodeName={job['NodeList']}"
    subprocess.run(["scontrol", "update", node, "State=DOWN", "Reason=test"], check=True)
    wait_until(partial(has_ended, job))
    # refused where the node has come back by itself
    subprocess.run(["scontrol", "update", node, "State=RESUME"], check=False, capture_output=True)
    wait_until(lambda: "State=IDLE" in output_of("scontrol", "show", "node", job["NodeList"]))


def over_memory(stage):
    """Give the first attempt of a stage's job less memory than Python takes, so that it ends at its start."""
    # with =, or it would take the targets too
    return (f"--set-resources={stage.rule}:mem_mb=100*attempt**4",)


SLURM = {
    "scancel": Strike(cancel),
    "requeued": Strike(requeue),
    "time limit": Strike(end_time),
    "slurmd stopped": Strike(stop_slurmd),
    "node down": Strike(fail_node),
    "over memory": Strike(hit=None, arguments=over_memory),
}
