"""A job's process: its log, its exit status, and what it does not spend time on."""

import subprocess
import sys
import textwrap

import pytest


def run_job(tmp_path, body):
    """Run a script as Snakemake does; returns (the finished process, its log)."""
    script, log = tmp_path / "job.py", tmp_path / "logs/job.log"
    lines = ["from transfer_atlas.jobs.log import logged", f"with logged({str(log)!r}):", textwrap.indent(body, "    ")]
    script.write_text("\n".join([*lines, "print('after the job')"]))
    return subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60), log.read_text()


@pytest.mark.parametrize(
    ("body", "code", "logged"),
    [
        ("print('done')", 0, "done\n"),
        ("from transfer_atlas.errors import InputError\nraise InputError('zoo.tsv: no')", 1, "error: zoo.tsv: no\n"),
        ("from transfer_atlas.errors import Stopped\nraise Stopped('epoch 2')", 1, "stopped: epoch 2\n"),
    ],
)
def test_a_job_prints_to_its_log_and_its_process_ends_with_it(tmp_path, body, code, logged):
    process, log = run_job(tmp_path, body)
    assert (process.returncode, log) == (code, logged)
    assert process.stdout == process.stderr == ""


def test_an_error_of_the_code_is_logged_with_its_traceback(tmp_path):
    process, log = run_job(tmp_path, "1 / 0")
    assert process.returncode == 1
    assert log.startswith("Traceback") and log.endswith("ZeroDivisionError: division by zero\n")


def test_an_interrupt_ends_a_job_as_it_ends_any_other_process(tmp_path):
    process, _ = run_job(tmp_path, "raise KeyboardInterrupt")
    assert process.returncode != 0 and process.stderr.endswith("KeyboardInterrupt\n")


def test_the_garbage_collector_passes_over_modules_and_still_collects(tmp_path):
    body = """
import gc, weakref
import transfer_atlas.store.tables
class Node: pass
def circle():
    node = Node()
    node.self = node
    return weakref.ref(node)
before = circle()
gc.collect()
frozen = gc.get_freeze_count()
print(frozen > 10_000, before() is not None)
after = circle()
gc.collect()
print(gc.get_freeze_count() == frozen, after() is None)
"""
    _, log = run_job(tmp_path, body)
    assert log == "True True\nTrue True\n"


@pytest.mark.skipif(sys.platform != "linux", reason="another C library")
def test_freed_memory_stays_in_the_process(tmp_path):
    """40 MiB that are freed and used again need no new pages; these would be 10,240 each time."""
    body = """
import resource
for repetition in range(11):
    if repetition == 1:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [b"x" * 2**23 for _ in range(5)]
    del blocks
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    _, log = run_job(tmp_path, body)
    assert int(log) < 10_000
