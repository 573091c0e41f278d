"""Where the start of a transfer job goes: python benchmarks/start_up.py.

Fresh processes in turns, each importing one thing more than the one before; processor time, for the parts wait for
nothing. The last is all that the script of a transfer imports, and what it costs more is the package's own.
"""

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
MEASURE = "; import os; print(sum(os.times()[:2]))"


def start(stages):
    """Processor seconds of a process that imports these stages."""
    imports = "; ".join(STAGES[stage] or "pass" for stage in stages)
    done = subprocess.run([sys.executable, "-c", imports + MEASURE], check=True, capture_output=True, text=True)
    return float(done.stdout)


def main():
    """Seconds by stage, medians of rounds in turns."""
    stages = list(STAGES)
    runs = {name: partial(start, stages[: number + 1]) for number, name in enumerate(stages)}
    total = pd.Series(seconds_in_turns(runs, ROUNDS))
    table = pd.DataFrame({"seconds": total.diff().fillna(total), "in all": total}).rename_axis("imported")
    print(table.round(2).to_markdown())


if __name__ == "__main__":
    main()
