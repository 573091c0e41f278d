"""Snakemake that looks at its Slurm jobs every second, where the plugin waits ten seconds longer after every look in vain.

Jobs of the test take some seconds, and each would be waited for up to half a minute. Run as `python impatient.py ARGUMENTS`.
"""

import sys

from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor

if __name__ == "__main__":
    Executor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, seconds: None)
    sys.exit(main(sys.argv[1:]))
