"""Asking a network whose freed memory goes back to the system, or stays: python benchmarks/freed_memory.py.

Small networks of timm on 4,000 images of 32 pixels and one thread, 500 at a time, in fresh processes in turns. One keeps what
it frees, as a job of the workflow does (`jobs/log.py`). Seconds, and page faults of the last round, of the images after the
first 1,000.
"""

import json
import subprocess
import sys
from functools import partial

import pandas as pd
from turns import seconds_in_turns

ROUNDS = 5
MODELS = ("test_resnet", "test_efficientnet", "test_mambaout", "mobilenetv3_small_050", "test_vit")
CODE = """
import json, resource, sys, time
import numpy as np, timm, torch
from transfer_atlas.jobs.log import keep_freed_memory
from transfer_atlas.logits.inference import infer_batches
from transfer_atlas.zoo.depthwise import speed_up_depthwise
name, keep = sys.argv[1:]
if keep == "keep":
    keep_freed_memory()
torch.set_num_threads(1)
pixels = np.random.default_rng(0).integers(0, 256, (4000, 32, 32, 3), dtype=np.uint8)
model = timm.create_model(name, **({"img_size": 32, "patch_size": 8} if name == "test_vit" else {})).eval()
speed_up_depthwise(model)
for rows, _ in infer_batches(model, pixels.__getitem__, len(pixels), 500, "cpu"):
    if rows.stop == 1000:
        start, faults = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt
print(json.dumps([time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults]))
"""


def ask(name, way, faults):
    """Seconds of a fresh process; its page faults go into a dict, in place of those of the round before."""
    command = [sys.executable, "-c", CODE, name, way]
    seconds, faults[name, way] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return seconds


def main():
    """Medians of rounds in turns."""
    faults, ways = {}, ("give back", "keep")
    runs = {(name, way): partial(ask, name, way, faults) for name in MODELS for way in ways}
    seconds, rows = seconds_in_turns(runs, ROUNDS), []
    for name in MODELS:
        row = {"model": name} | {f"{way} (s)": seconds[name, way] for way in ways}
        row["ratio"] = row["give back (s)"] / row["keep (s)"]
        rows.append(row | {f"{way}: page faults": faults[name, way] for way in ways})
    print(pd.DataFrame(rows).round(2).to_markdown(index=False))


if __name__ == "__main__":
    main()
