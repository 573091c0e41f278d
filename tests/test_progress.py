"""The line on the time left, from the events that Snakemake logs."""

import io
import logging

import pytest
from snakemake.common import NOTHING_TO_BE_DONE_MSG
from snakemake_interface_logger_plugins.common import LogEvent

from transfer_atlas.study.progress import NothingToDo, TimeLeft, in_words


class Run:
    """A run of two kinds of jobs whose events go to a TimeLeft, at times that the test sets."""

    def __init__(self, **stats):
        self.now, self.lines, self.done, self.total = 0.0, io.StringIO(), 0, sum(stats.values())
        self.handler = TimeLeft(self.lines, lambda: self.now)
        self.log(LogEvent.RUN_INFO, stats=stats | {"total": self.total})

    def log(self, event, **fields):
        self.handler.emit(logging.makeLogRecord({"event": event, **fields}))

    def start(self, *jobs):
        for number, rule in jobs:
            self.log(LogEvent.JOB_INFO, jobid=number, rule_name=rule)
        self.log(LogEvent.JOB_STARTED, jobs=[number for number, _ in jobs])

    def finish(self, number):
        self.done += 1
        self.log(LogEvent.JOB_FINISHED, job_id=number)
        self.log(LogEvent.PROGRESS, done=self.done, total=self.total)
        return self.lines.getvalue().splitlines()[-1] if self.lines.getvalue() else None


def test_the_time_left_is_what_like_jobs_took_on_as_many_at_once():
    run = Run(train=4, transfer_kl_1=1, transfer_kl_2=1)
    run.start((1, "train"), (2, "train"))
    run.now = 600
    first = run.finish(1)
    # three trainings of 600 s are left, one of them at its end; of transfers nothing is known
    assert first == "Time left: 10 min or more (no job of transfer_kl has ended yet); running: train (1)"
    run.finish(2)
    run.start((3, "transfer_kl_1"), (4, "train"))
    run.now = 900
    # half a training, a whole one and a transfer of 300 s, two at once
    assert run.finish(3) == "Time left: 10 min; running: train (1)"


def test_a_job_that_failed_no_longer_runs():
    run = Run(train=3)
    run.start((1, "train"), (2, "train"))
    run.now = 60
    run.log(LogEvent.JOB_ERROR, jobid=2)
    assert "running" not in run.finish(1)


def test_nothing_is_said_after_the_last_job():
    run = Run(train=1)
    run.start((1, "train"))
    assert run.finish(1) is None


@pytest.mark.parametrize(("seconds", "words"), [(7.4, "7 s"), (99, "99 s"), (600, "10 min"), (9000, "2.5 h")])
def test_durations_in_words(seconds, words):
    assert in_words(seconds) == words


def test_a_run_that_has_nothing_to_do_is_noticed():
    called = []
    handler = NothingToDo(lambda: called.append(1))
    for message in ("Building DAG of jobs...", NOTHING_TO_BE_DONE_MSG):
        handler.emit(logging.makeLogRecord({"msg": message}))
    assert called == [1]
