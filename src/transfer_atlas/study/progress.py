"""What a run says on the terminal beside Snakemake's own lines: the time left after each job, and texts that are made already."""

import logging
import re
import sys
import time
from collections import Counter, defaultdict

from snakemake.common import NOTHING_TO_BE_DONE_MSG
from snakemake_interface_logger_plugins.common import LogEvent

WITHOUT_WORK = ("all", "figures", "total")  # targets that only name others, and the sum of all


class TimeLeft(logging.Handler):
    """Writes one line after each job: what runs, and the time left by what like jobs of this run took.

    A log handler of Snakemake, whose events it reads. Jobs of `transfer_kl_1` and `transfer_kl_2` are alike, for they differ
    in their pairs alone, and so are all figures.
    """

    def __init__(self, stream=sys.stderr, clock=time.monotonic):
        """Write to `stream`; `clock` gives seconds."""
        super().__init__()
        self.stream, self.clock = stream, clock
        self.planned, self.kind_of, self.started = Counter(), {}, {}
        self.seconds, self.most_at_once = defaultdict(list), 1

    def emit(self, record):
        """Take note of an event."""
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO and not self.planned:
            for rule, jobs in record.stats.items():
                if rule not in WITHOUT_WORK:
                    self.planned[kind_of_rule(rule)] += jobs
        elif event == LogEvent.JOB_INFO:
            self.kind_of[record.jobid] = kind_of_rule(record.rule_name)
        elif event == LogEvent.JOB_STARTED:
            self.started |= dict.fromkeys(record.jobs, self.clock())
            self.most_at_once = max(self.most_at_once, len(self.started))
        elif event == LogEvent.JOB_ERROR:
            self.started.pop(record.jobid, None)
        elif event == LogEvent.JOB_FINISHED and record.job_id in self.started:
            kind = self.kind_of.get(record.job_id)
            self.seconds[kind].append(self.clock() - self.started.pop(record.job_id))
            self.planned[kind] -= 1
        elif event == LogEvent.PROGRESS and record.done < record.total:
            print(self.describe(), file=self.stream, flush=True)

    def describe(self):
        """The line: the time left, a lower bound while no job of some kind has ended yet, and what runs."""
        running = Counter(self.kind_of.get(job) for job in self.started)
        mean = {kind: sum(taken) / len(taken) for kind, taken in self.seconds.items()}
        left = sum(jobs * mean.get(kind, 0) for kind, jobs in self.planned.items())
        left -= sum(self.clock() - since for job, since in self.started.items() if self.kind_of.get(job) in mean)
        line = f"Time left: {in_words(max(0.0, left) / self.most_at_once)}"
        if unknown := [kind for kind, jobs in self.planned.items() if jobs > 0 and kind not in mean]:
            more = f" and {len(unknown) - 2} more" if len(unknown) > 2 else ""
            line += f" or more (no job of {', '.join(unknown[:2])}{more} has ended yet)"
        if running:
            line += "; running: " + ", ".join(f"{kind} ({jobs})" for kind, jobs in sorted(running.items()))
        return line


class NothingToDo(logging.Handler):
    """Calls a function where Snakemake has nothing to do, for then it runs no `onsuccess`."""

    def __init__(self, then):
        """`then` takes no arguments."""
        super().__init__()
        self.then = then

    def emit(self, record):
        """Call the function if this is the record that says so."""
        if record.getMessage() == NOTHING_TO_BE_DONE_MSG:
            self.then()


def kind_of_rule(rule):
    """Name of a rule without the number of a block of transfers or the name of a figure."""
    return re.sub(r"_\d+$", "", re.sub(r"^plot_.*", "plot_figure", rule))


def in_words(seconds):
    """A duration in whole seconds, minutes or hours."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"
