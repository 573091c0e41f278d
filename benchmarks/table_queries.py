"""The lines of docs/results.md that ask a table of all pairs for the best teachers of one model, at the size of the hub.

The table has the columns and the order of a real one, and random numbers. Libraries that are not installed are left out
(pip install polars, for the one that the tests do not install). Run from the repository's root:
python benchmarks/table_queries.py
"""

import argparse
import importlib.util
import re
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from transfer_atlas.schemas.tables import SCHEMAS
from transfer_atlas.store.tables import write_chunks

LIBRARIES = ("pandas", "duckdb", "polars")


def rows_of(student, names, generator):
    """The rows of one student, in the order of a real table."""
    teachers = [name for name in names if name != student]
    columns = {}
    for field in SCHEMAS["complementarity"]:
        if pa.types.is_floating(field.type):
            columns[field.name] = generator.random(len(teachers))
        elif pa.types.is_integer(field.type):
            columns[field.name] = generator.integers(0, 1000, len(teachers))
        elif pa.types.is_boolean(field.type):
            columns[field.name] = False
    return pd.DataFrame(columns | {"teacher": teachers}).assign(student=student)


def main():
    """Print what docs/benchmarks.md says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=1826)
    names = [f"model{number:04d}.t" for number in range(parser.parse_args().models)]
    generator = np.random.default_rng(0)
    blocks = re.findall(r"```python\n(.*?)```", Path("docs/results.md").read_text(), flags=re.S)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/complementarity.parquet"
        parts = np.array_split(names, max(1, len(names) // 60))  # row groups of 60 students
        write_chunks(
            (pd.concat([rows_of(student, names, generator) for student in part]) for part in parts),
            "complementarity",
            path,
        )
        for library in filter(importlib.util.find_spec, LIBRARIES):
            (lines,) = (block for block in blocks if f"import {library}" in block)
            asked = lines.replace("results/demo/complementarity.parquet", path).replace(
                "gmlp.short", names[len(names) // 2]
            )
            times = []
            for _ in range(6):
                start = time.perf_counter()
                exec(asked, {})
                times.append(time.perf_counter() - start)
            # the first imports the library
            print(f"{library}: {statistics.median(times[1:]):.2f} s (median of {len(times) - 1})")


if __name__ == "__main__":
    main()
