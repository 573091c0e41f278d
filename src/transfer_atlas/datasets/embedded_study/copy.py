"""The tables of the embedded study, as `make study` made them, for a first look without training: `make demo`.

    python -m transfer_atlas.datasets.embedded_study.copy results/demo

Made on an Intel Xeon (Sapphire Rapids) with torch 2.15; on another kind of processor some deltas differ (README.md).
"""

import shutil
import sys
from pathlib import Path


def copy_tables(folder):
    """Copy all tables into a results folder, which may be read as a study with `tables: given`."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for table in Path(__file__).parent.glob("*.parquet"):
        shutil.copyfile(table, folder / table.name)


if __name__ == "__main__":
    copy_tables(sys.argv[1])
