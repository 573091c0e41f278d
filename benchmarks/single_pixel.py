"""Depthwise convolutions of a single pixel, as oneDNN computes them and as products: python benchmarks/single_pixel.py.

Networks of timm for large images, on images of 32 pixels and one thread: a batch of 200 without gradients, and 64 forwards and
backwards. In turns; the weights' gradients of both ways are compared to the bit.
"""

import copy
from functools import partial

import pandas as pd
import timm
import torch
from turns import seconds_in_turns

from transfer_atlas.zoo.depthwise import speed_up_depthwise

ROUNDS = 5
MODELS = ("mobilenetv3_small_050", "mobilenetv3_large_100", "efficientnet_b0", "mnasnet_100")


def ask(network, images):
    """One batch without gradients."""
    with torch.inference_mode():
        network.eval()(images)


def learn(network, images):
    """One batch forwards and backwards; the random numbers of dropout are the same each time."""
    torch.manual_seed(0)
    network.train().zero_grad()
    network(images).logsumexp(dim=1).mean().backward()


def gradients(network):
    """The gradients of all weights in one tensor."""
    return torch.cat([parameter.grad.flatten() for parameter in network.parameters()])


def main():
    """Medians of rounds in turns."""
    torch.set_num_threads(1)
    images, rows = torch.rand(200, 3, 32, 32).to(memory_format=torch.channels_last), []
    for name in MODELS:
        torch.manual_seed(0)
        plain = timm.create_model(name)
        fast = copy.deepcopy(plain)
        speed_up_depthwise(fast)
        learn(plain, images[:64])
        learn(fast, images[:64])
        row = {"model": name, "equal to the bit": torch.equal(gradients(plain), gradients(fast))}
        for what, run, batch in (("200 asked", ask, images), ("64 learned", learn, images[:64])):
            ways = {"oneDNN": partial(run, plain, batch), "product": partial(run, fast, batch)}
            taken = seconds_in_turns(ways, ROUNDS, warm_up=1)
            row |= {f"{what}, {way} (ms)": 1000 * seconds for way, seconds in taken.items()}
            row[f"{what}, ratio"] = taken["oneDNN"] / taken["product"]
        rows.append(row)
    print(pd.DataFrame(rows).round(2).to_markdown(index=False))


if __name__ == "__main__":
    main()
