"""Checks of this machine, a line each: `make doctor`, or `python -m transfer_atlas.tools.doctor`.

Looks at Snakemake and its Slurm plugin, the cluster, GPUs, disk and locks; changes nothing.
"""

import getpass
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import yaml
from packaging.requirements import Requirement

from transfer_atlas.errors import InputError
from transfer_atlas.jobs.gpus import list_gpus
from transfer_atlas.jobs.lock import hold_lock

PARTITIONS = Path("profiles/slurm/partitions.yaml")
MESSAGES = {
    "Requested node configuration is not available": f"a GPU job went to a partition without GPUs, see {PARTITIONS}",
    "More processors requested than permitted": "lower max-threads in profiles/slurm/profile.yaml",
    "Invalid account or account/partition combination": "give yours: --default-resources slurm_account=<account>",
}


def run(*command):
    """Standard output of a command, or None where it fails or is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def examine():
    """Yield (what, whether it works, what was found or what to do), line by line."""
    yield from _plugins()
    if shutil.which("sbatch") is None:
        yield "Slurm", None, "no sbatch here; studies run on this machine: snakemake --cores N"
    else:
        yield from _cluster()
    yield from _gpus()
    free = shutil.disk_usage(".").free / 1e9
    yield "disk", free > 10, f"{free:.0f} GB free in {Path.cwd()}; the embedded study takes 1 GB"
    yield _locks()


def _plugins():
    """Whether the extra `slurm` is installed in the versions that this package asks for."""
    wanted = [Requirement(text) for text in requires("transfer-atlas")]
    for requirement in (r for r in wanted if r.name == "snakemake" or "slurm" in r.name):
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            needed = shutil.which("sbatch") is not None
            yield (
                requirement.name,
                not needed and None,
                "not installed; --profile slurm needs it: pip install -e '.[slurm]'",
            )
            continue
        fits = requirement.specifier.contains(found)
        yield requirement.name, fits, found if fits else f"{found}, but {requirement.specifier} is needed"


def _cluster():
    answers = run("squeue", "--noheader", "--user", getpass.getuser()) is not None
    yield "squeue", answers, "answers" if answers else "does not answer: jobs would never be seen to end"
    found = set((run("sinfo", "--noheader", "--format", "%R") or "").split())
    partitions = yaml.safe_load(PARTITIONS.read_text())["partitions"] if PARTITIONS.exists() else {}
    for name, limits in partitions.items():
        there = f"the cluster has {', '.join(sorted(found)) or 'none'}"
        yield f"partition {name}", name in found, there if name not in found else "is there"
        if name in found and limits.get("max_gpu"):
            gres = run("sinfo", "--noheader", "--partition", name, "--format", "%G") or ""
            yield f"GPUs of {name}", "gpu" in gres, " ".join(gres.split()) or f"none; correct {PARTITIONS}"
    yield _account()
    for message, cure in MESSAGES.items():
        yield "if Slurm says", None, f"'{message}': {cure}"


def _account():
    listed = run(
        "sacctmgr", "--noheader", "--parsable2", "show", "associations", f"user={getpass.getuser()}", "format=account"
    )
    accounts = sorted(set((listed or "").split()))
    if not accounts:
        return (
            "account",
            None,
            "none is recorded for you; where your cluster wants one: --default-resources slurm_account=<account>",
        )
    return "account", True, f"{', '.join(accounts)}; give it: --default-resources slurm_account={accounts[0]}"


def _gpus():
    gpus = list_gpus()
    if not gpus:
        yield "GPUs", None, "none here; jobs run on the CPU"
        return
    counted = run(sys.executable, "-c", "import torch; print(torch.cuda.device_count())")
    seen = int(counted) if counted else 0
    yield "GPUs", seen == len(gpus), f"{len(gpus)} here, {seen} seen by torch; one job at a time on each"


def _locks():
    with tempfile.TemporaryDirectory(dir=".", prefix=".doctor-") as folder:
        try:
            hold_lock(Path(folder) / "doctor.lock")
        except InputError as error:
            return "locks", False, str(error)
    return "locks", True, "this file system has them"


def main():
    """Print a line for each finding; the exit status is 1 where something will not work."""
    signs = {True: "ok  ", False: "FAIL", None: "    "}
    sick = False
    for what, works, found in examine():
        print(f"{signs[works]} {what}: {found}")
        sick = sick or works is False
    return int(sick)


if __name__ == "__main__":
    sys.exit(main())
