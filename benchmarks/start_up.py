"""Where the start of a transfer job goes: python benchmarks/start_up.py.

Fresh processes in turns, each importing one thing more than the one before; processor time from start to end, for the parts
wait for nothing. The last is all that the script of a transfer imports, and what it costs more is the package's own. A job
passes over what it imported when it collects garbage, and ends without taking its objects apart (`jobs/log.py`).
"""

import resource
import subprocess
import sys
from functools import partial

import pandas as pd
from turns import seconds_in_turns

ROUNDS = 5
STAGES = {
    "Python": "",
    "NumPy": "import numpy",
    "torch": "import torch",
    "timm": "import timm",
    "pandas, pyarrow": "import pandas, pyarrow.parquet",
    "a transfer's imports": "import transfer_atlas.transfer.block, transfer_atlas.transfer.student",
}
JOB = "from transfer_atlas.jobs.log import logged\nwith logged('/dev/null'): "


def run(beginning, stages):
    """Processor seconds of a process whose code is a beginning and the imports of these stages."""
    imports = "; ".join(STAGES[stage] or "pass" for stage in stages)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", beginning + imports], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    """Seconds by stage, medians of rounds in turns."""
    stages, ways = list(STAGES), {"script": "", "job": JOB}
    runs = {
        (name, way): partial(run, beginning, stages[: number + 1])
        for number, name in enumerate(stages)
        for way, beginning in ways.items()
    }
    table = pd.Series(seconds_in_turns(runs, ROUNDS)).unstack().loc[stages, list(ways)].rename_axis("imported")
    print(table.assign(ratio=table["job"] / table["script"]).round(2).to_markdown())


if __name__ == "__main__":
    main()
