"""Networks with weights as they are built against weights in channels-last order, on the CPU: python benchmarks/memory_format.py.

Images are channels-last in both cases, as ours always are. Networks of timm on 16 images of 224 pixels and as many threads as the
machine has, and the students of the embedded study on 200 images of its 32 pixels and one thread; in turns.
"""

import pandas as pd
import timm
import torch
from turns import seconds_in_turns

from transfer_atlas.study.config import load_schema
from transfer_atlas.study.sheet import read_zoo
from transfer_atlas.zoo.build import Input, build_model

ROUNDS = 5
LARGE = ("mobilenetv3_large_100", "efficientnet_b0", "resnet50", "convnext_tiny", "regnety_016", "repvgg_a1")
STUDENTS = ("test_efficientnet.momentum", "mobilenetv3_small.plain", "xcit_nano.smoothed", "gmlp.short")


def networks():
    """Yield (name, network, side, images, threads)."""
    threads = torch.get_num_threads()
    for name in LARGE:
        yield name, timm.create_model(name).eval(), 224, 16, threads
    recipes = dict.fromkeys(("long", "short", "smoothed", "plain", "momentum"))
    zoo = read_zoo("config/embedded_zoo.tsv", load_schema("workflow/schemas/zoo.schema.yaml"), recipes)
    for name in STUDENTS:
        yield name, build_model({**zoo[name], "weights": "random"}, 10, 32), 32, 200, 1


def main():
    """Medians of rounds in turns."""
    rows = []
    for name, network, side, images, threads in networks():
        torch.set_num_threads(threads)
        pixels = torch.randint(0, 256, (images, side, side, 3), dtype=torch.uint8)
        to_input = Input(network)

        def ask(memory_format, network=network, pixels=pixels, to_input=to_input):
            network.to(memory_format=memory_format)
            with torch.inference_mode():
                network(to_input(pixels))

        ways = {"as built": torch.contiguous_format, "channels last": torch.channels_last}
        taken = seconds_in_turns({way: lambda f=f, ask=ask: ask(f) for way, f in ways.items()}, ROUNDS, warm_up=1)
        times = {f"{way} (ms per image)": 1000 * seconds / images for way, seconds in taken.items()}
        rows.append({"model": name, "pixels": side, **times, "ratio": taken["as built"] / taken["channels last"]})
    print(pd.DataFrame(rows).round(2).to_markdown(index=False))


if __name__ == "__main__":
    main()
