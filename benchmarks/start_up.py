"""Where the start of a transfer job goes: python benchmarks/start_up.py.

Fresh processes in turns, each importing one thing more than the one before; processor time, for the parts wait for
nothing. The last is all that the script of a transfer imports, and what it costs more is the package's own.
"""

import subprocess
import sys

import pandas as pd

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


def main():
    """Seconds by stage, medians of rounds in turns."""
    seconds = {name: [] for name in STAGES}
    for _ in range(ROUNDS):
        imports = "pass"
        for name, more in STAGES.items():
            imports += f"; {more}" if more else ""
            done = subprocess.run([sys.executable, "-c", imports + MEASURE], check=True, capture_output=True, text=True)
            seconds[name].append(float(done.stdout))
    total = pd.DataFrame(seconds).median()
    table = pd.DataFrame({"seconds": total.diff().fillna(total), "in all": total}).rename_axis("imported")
    print(table.round(2).to_markdown())


if __name__ == "__main__":
    main()
