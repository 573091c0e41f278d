"""Play the kill matrix and write docs/reliability.md: `make kill-matrix`.

python tests/kill_matrix.py local|slurm|random [times]   play cells, and add what becomes of them to results/kill_matrix/
python tests/kill_matrix.py page                         write the page from that

What was played is not played again, so that it can be ended at any moment; `slurm` needs slurm-wlm and munge.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from kills import LOCAL, STAGES, Site, kill_at_random, play, small_disk
from running import ROOT, copy_repository, snakemake, tables_of, targets_of

sys.path.append(str(Path(__file__).with_name("slurm")))
from strikes import COMMAND, PROFILES, SLURM, jobs_of_slurm, slurm

PLAYED = ROOT / "results/kill_matrix"
PAGE = ROOT / "docs/reliability.md"
SEED, KILLS = 0, 25


def played(name):
    """The cells played so far."""
    path = PLAYED / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def note(name, **cell):
    """Add one cell."""
    PLAYED.mkdir(parents=True, exist_ok=True)
    with open(PLAYED / f"{name}.jsonl", "a") as file:
        file.write(json.dumps(cell) + "\n")
    print(cell, flush=True)


def finished_study(name):
    """A folder with the undisturbed small study: (folder, its tables). Made anew, whatever an ended call left."""
    folder = PLAYED / name / "transfer-atlas"
    if os.path.ismount(folder / "results"):
        subprocess.run(["umount", folder / "results"], check=True)
    shutil.rmtree(folder.parent, ignore_errors=True)
    copy_repository(folder)
    snakemake(folder, *targets_of())
    return folder, tables_of(folder)


def play_local(times):
    """All cells that need no Slurm; the results lie on a small disk, which can be filled."""
    folder, undisturbed = finished_study("local_study")
    (folder / "results").rename(folder / "kept")
    with small_disk(folder / "results"):
        shutil.copytree(folder / "kept", folder / "results", dirs_exist_ok=True)
        play_all("local", LOCAL, Site(folder), undisturbed, times)


def play_slurm(times):
    """All cells that need Slurm."""
    folder, undisturbed = finished_study("slurm_study")
    with slurm():
        play_all("slurm", SLURM, Site(folder, arguments=PROFILES, command=COMMAND), undisturbed, times)


def play_all(name, strikes, site, undisturbed, times):
    """Every strike at every stage, so many times."""
    for _ in range(times):
        for row, strike in strikes.items():
            for column, stage in STAGES.items():
                done = [cell for cell in played(name) if (cell["row"], cell["column"]) == (row, column)]
                if len(done) < times:
                    before = len(jobs_of_slurm()) if name == "slurm" else 0
                    outcome = play(site, stage, strike, undisturbed)
                    states = jobs_of_slurm().iloc[before:] if name == "slurm" else pd.DataFrame(columns=["JobState"])
                    ended = sorted(set(states["JobState"]) - {"COMPLETED"})
                    note(name, row=row, column=column, states=ended, **asdict(outcome))


def play_random(_):
    """Whole studies, ended at random moments."""
    if played("random"):
        return
    folder, undisturbed = finished_study("random_study")
    outcome, studies = kill_at_random(Site(folder), KILLS, np.random.default_rng(SEED), undisturbed)
    note("random", studies=studies, kills=len(outcome.codes), seed=SEED, **asdict(outcome))


def cell_text(cells):
    """What became of a cell, in words: how often it was played, and how it went on."""
    struck = [cell for cell in cells if cell["struck"]]
    if not struck:
        return "not hit"
    good = sum(cell["equal"] and cell["codes"][-1] == 0 and not cell["leftovers"] for cell in struck)
    runs = sorted({len(cell["codes"]) for cell in struck})
    how = "by itself" if runs == [1] else f"run {' or '.join(map(str, runs))}"
    resumed = next((f", goes on after {cell['goes_on']}" for cell in struck if cell["goes_on"]), "")
    return f"{good} of {len(struck)} equal; {how}{resumed}"


def matrix(name, rows):
    """A table of the page."""
    cells = played(name)
    shown = pd.DataFrame(
        {
            column: {
                row: cell_text([cell for cell in cells if (cell["row"], cell["column"]) == (row, column)])
                for row in rows
            }
            for column in STAGES
        }
    )
    return shown.to_markdown()


def write_page(_):
    """Fill in the template."""
    random = played("random")[0]
    words = "equal to the undisturbed ones" if random["equal"] and not random["leftovers"] else "NOT equal"
    PAGE.write_text(
        (PAGE.parent / "pages/reliability.template.md")
        .read_text()
        .format(
            local=matrix("local", LOCAL),
            slurm=matrix("slurm", SLURM),
            random=f"{random['studies']} whole studies were struck {random['kills']} times (seed {random['seed']}); tables: {words}.",
        )
    )


if __name__ == "__main__":
    what = {"local": play_local, "slurm": play_slurm, "random": play_random, "page": write_page}
    what[sys.argv[1]](int(sys.argv[2]) if len(sys.argv) > 2 else 1)
