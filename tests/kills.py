"""What can end a study half-way: at which moment (stages) and how (strikes), on this machine and on a real Slurm.

A cell of the kill matrix removes from a finished study what its stage makes and all that follows, starts the workflow,
strikes as soon as the moment has come, starts the workflow again until it ends well, and compares the tables.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pandas as pd
import psutil
from running import SNAKEMAKE, TABLES, tables_of, targets_of

TEACHER, STUDENT = "test_byobnet.a", "test_mambaout.a"
TRANSFER = f"transfers/kl/{STUDENT}/{TEACHER}/0.parquet"
CHECKPOINT = f"checkpoints/transfers/kl/{STUDENT}/{TEACHER}/0.pt"
MOST_RUNS = 4


@dataclass(frozen=True)
class Stage:
    """A moment of the study.

    Attributes:
        rule: rule of the job that is struck.
        log: its log, below the study's logs.
        removed: patterns of the results that are made again.
        text: what the log says when the moment has come; or
        file: pattern of a result that is there when it has come.
    """

    rule: str
    log: str
    removed: tuple
    text: str = ""
    file: str = ""

    def is_there(self, results, log):
        """Whether the moment has come."""
        if not log.exists():
            return False
        if self.file:
            return any(results.glob(self.file))
        return re.search(self.text, log.read_text(), flags=re.S) is not None


GATHERED = ("transfers.parquet", "histories.parquet", "summary.txt")
LEARNED = (TRANSFER, CHECKPOINT, *GATHERED)
ANSWERED = (
    *(f"**/{TEACHER}{suffix}" for suffix in (".npy", ".parquet")),
    f"**/{TEACHER}/*",
    *(f"{table}.parquet" for table in TABLES),
    "summary.txt",
)
TRANSFER_LOG = f"transfer_kl_1/{STUDENT}/0.log"
STAGES = {
    "training a zoo model": Stage(
        "train_model", f"train_model/{TEACHER}.log", (f"**/{TEACHER}.safetensors", *ANSWERED), text="epoch 1/"
    ),
    "logits, mid-file": Stage(
        "compute_logits", f"compute_logits/{TEACHER}.log", ANSWERED, file=f"checkpoints/logits/*/{TEACHER}.npy"
    ),
    "transfer, mid-epoch": Stage("transfer_kl_1", TRANSFER_LOG, LEARNED, file=CHECKPOINT),
    "evaluation after a transfer": Stage("transfer_kl_1", TRANSFER_LOG, LEARNED, text=r"epoch (\d+)/\1.*infer"),
    "result there, job not ended": Stage("transfer_kl_1", TRANSFER_LOG, LEARNED, file=TRANSFER),
    "gather": Stage("gather_transfers", "gather_transfers.log", GATHERED),
}


@dataclass(frozen=True)
class Site:
    """A folder with the finished small study, and how Snakemake is called there."""

    folder: Path
    arguments: tuple = ("--cores", "2")
    study: str = "small"
    overlay: str = "config/small.yaml"
    command: tuple = (SNAKEMAKE,)

    @property
    def results(self):
        return self.folder / "results" / self.study

    def log(self, stage):
        return self.folder / "logs" / self.study / stage.log

    def start(self, *more):
        """Start the workflow, with a session of its own that a signal can be sent to."""
        command = [*self.command, *self.arguments, *more, *targets_of(self.study), "--configfile", self.overlay]
        with open(self.folder / "snakemake.log", "a") as log:
            environment = {**os.environ, "PYTHONPATH": str(self.folder / "src")}
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=hear_sigint,
            )

    def jobs(self, rule):
        """Processes of this folder's jobs of a rule; of every rule for ``."""
        script = re.compile(rf"\.{re.sub('_kl_1$', '', rule)}\w*\.py$")
        for process in psutil.process_iter(["cmdline", "cwd"]):
            called = process.info["cmdline"] or []
            if process.info["cwd"] == str(self.folder) and any(script.search(word) for word in called[1:2]):
                yield process


def hear_sigint():
    """What a shell starts in the background does not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass(frozen=True)
class Strike:
    """How a run is ended.

    Attributes:
        hit: function of (site, stage, process), called at the stage's moment; None where the arguments end the job.
        mend: function of the site, called before the next run.
        arguments: function of the stage: arguments of the run that is struck.
    """

    hit: object
    mend: object = lambda site: None
    arguments: object = lambda stage: ()


@contextmanager
def small_disk(folder):
    """A disk of 300 MB at `folder`, where this user may mount one, else a folder."""
    folder.mkdir(parents=True)
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", folder], check=False).returncode
    )
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", folder], check=True)


def signal_snakemake(number, site, stage, process):
    """As from a terminal, whose Ctrl-C reaches the jobs too; other signals reach Snakemake alone."""
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)


def signal_job(number, site, stage, process):
    """Not Snakemake, but the script that does the work."""
    for job in site.jobs(stage.rule):
        job.send_signal(number)


def fill_disk(site, stage, process):
    """Leave no byte where the results are, a small disk of their own."""
    with open(site.results / "ballast", "wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(bytes(4096))
        except OSError:
            pass


LOCAL = {
    "SIGINT to Snakemake (Ctrl-C)": Strike(partial(signal_snakemake, signal.SIGINT)),
    "SIGTERM to Snakemake": Strike(partial(signal_snakemake, signal.SIGTERM)),
    "SIGKILL to Snakemake": Strike(partial(signal_snakemake, signal.SIGKILL)),
    "SIGTERM to the job": Strike(partial(signal_job, signal.SIGTERM)),
    "SIGKILL to the job": Strike(partial(signal_job, signal.SIGKILL)),
    "disk full": Strike(fill_disk, mend=lambda site: (site.results / "ballast").unlink()),
}


@dataclass
class Outcome:
    """What became of a cell; `codes` are the exit codes of all runs, `goes_on` what the job's log says of a checkpoint."""

    struck: bool = True
    codes: list = field(default_factory=list)
    equal: bool = False
    leftovers: list = field(default_factory=list)
    goes_on: str = ""
    seconds: float = 0.0


def play(site, stage, strike, undisturbed):
    """Play one cell of the matrix.

    Args:
        site: Site with a finished study, which it has again at the end.
        stage: Stage.
        strike: Strike.
        undisturbed: tables of the study, by name.

    Returns:
        Outcome.
    """
    began, outcome = time.monotonic(), Outcome()
    site.log(stage).unlink(missing_ok=True)
    for path in {path for pattern in stage.removed for path in site.results.glob(pattern)}:
        path.unlink()
    process = site.start(*strike.arguments(stage))
    if strike.hit is not None:
        outcome.struck = wait_for(stage, site, process)
        if outcome.struck:
            strike.hit(site, stage, process)
    outcome.codes.append(process.wait(timeout=900))
    strike.mend(site)
    while outcome.codes[-1] != 0 and len(outcome.codes) < MOST_RUNS:
        outcome.codes.append(site.start().wait(timeout=900))
    psutil.wait_procs(list(site.jobs("")), timeout=120)  # jobs that outlive their Snakemake
    outcome.equal = are_equal(undisturbed, site)
    outcome.leftovers = leftovers_of(site)
    found = re.search(r"goes on after (\d+ \w+ and \d+ \w+)", site.log(stage).read_text())
    outcome.goes_on = found[1] if found else ""
    outcome.seconds = round(time.monotonic() - began, 1)
    return outcome


def wait_for(stage, site, process, every=0.005):
    """Wait until the stage's moment has come; false if the run ended before it did."""
    while not stage.is_there(site.results, site.log(stage)):
        if process.poll() is not None:
            return False
        time.sleep(every)
    return True


def are_equal(undisturbed, site):
    """Whether the site's tables are the undisturbed ones, to the bit."""
    try:
        for name, table in tables_of(site.folder, site.study).items():
            pd.testing.assert_frame_equal(table, undisturbed[name], check_exact=True)
    except AssertionError:
        return False
    return True


def leftovers_of(site):
    """Half-written files and checkpoints that nothing will remove."""
    # Snakemake's own mark in a folder that is an output
    hidden = [path for path in site.results.rglob(".*") if path.name != ".snakemake_timestamp"]
    left = [*hidden, *(site.results / "checkpoints").rglob("*")]
    return [str(path.relative_to(site.results)) for path in left if path.is_file()]


def kill_at_random(site, kills, generator, undisturbed):
    """Run the whole study again and again, ended at random moments by random signals, until it was struck so often.

    Returns:
        (outcome, studies): the last state against the undisturbed one, and how many whole studies it took.
    """
    began, outcome, studies, struck = time.monotonic(), Outcome(equal=True), 0, 0
    while struck < kills:
        shutil.rmtree(site.results)
        studies += 1
        while (code := _run_and_strike(site, generator, struck < kills)) != 0:
            outcome.codes.append(code)
            struck += 1
        outcome.equal = outcome.equal and are_equal(undisturbed, site)
    outcome.leftovers, outcome.seconds = leftovers_of(site), round(time.monotonic() - began, 1)
    return outcome, studies


def _run_and_strike(site, generator, strikes):
    """Exit code of one run that is struck, where `strikes`, after a random time, if it has not ended before."""
    process = site.start()
    try:
        return process.wait(timeout=generator.uniform(4, 25) if strikes else 900)
    except subprocess.TimeoutExpired:
        pass
    number = generator.choice([signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
    victims = [process.pid, *(job.pid for job in site.jobs(""))]
    os.kill(generator.choice(victims), signal.Signals(number))
    return process.wait(timeout=900)
