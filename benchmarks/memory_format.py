"""Networks with weights as they are built against weights in channels-last order, on the CPU: python benchmarks/memory_format.py.

Images are channels-last in both cases, as ours always are. Networks of timm on 16 images of 224 pixels and as many threads as the
machine has, and the students of the embedded study on 200 images of its 32 pixels and one thread; in turns.
"""

from functools import partial
from pathlib import Path

import pandas as pd
import timm
import torch
import yaml
from turns import seconds_in_turns

from transfer_atlas.study.config import load_schema
from transfer_atlas.study.sheet import read_zoo
from transfer_atlas.zoo.build import Input, build_model

ROUNDS = 5
LARGE = ("mobilenetv3_large_100", "efficientnet_b0", "resnet50", "convnext_tiny", "regnety_016", "repvgg_a1")
WAYS = {"as built": torch.contiguous_format, "channels last": torch.channels_last}


def networks():
    """Yield (name, network, side, images, threads)."""
    threads = torch.get_num_threads()
    for name in LARGE:
        yield name, timm.create_model(name).eval(), 224, 16, threads
    config = yaml.safe_load(Path("config/config.yaml").read_text())
    schema = load_schema("workflow/schemas/zoo.schema.yaml")
    zoo = read_zoo(config["zoo"]["sheet"], schema, config["zoo"]["recipes"])
    side, classes = config["geometry"]["input_size"], config["images"]["classes"]
    for name in config["pairs"]["students"]:
        yield name, build_model({**zoo[name], "weights": "random"}, classes, side), side, 200, 1


@torch.inference_mode()
def ask(network, pixels, memory_format):
    """One batch, after the weights are in this order."""
    network.to(memory_format=memory_format)
    network(Input(network)(pixels))


def main():
    """Medians of rounds in turns."""
    rows = []
    for name, network, side, images, threads in networks():
        torch.set_num_threads(threads)
        pixels = torch.randint(0, 256, (images, side, side, 3), dtype=torch.uint8)
        runs = {way: partial(ask, network, pixels, memory_format) for way, memory_format in WAYS.items()}
        taken = seconds_in_turns(runs, ROUNDS, warm_up=1)
        times = {f"{way} (ms per image)": 1000 * seconds / images for way, seconds in taken.items()}
        rows.append({"model": name, "pixels": side, **times, "ratio": taken["as built"] / taken["channels last"]})
    print(pd.DataFrame(rows).round(2).to_markdown(index=False))


if __name__ == "__main__":
    main()
