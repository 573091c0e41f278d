"""Size, cost of a forward pass and family of a model, measured from the network."""

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
import timm
import torch
from timm.layers import set_fused_attn
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from transfer_atlas.schemas.tables import SCHEMAS
from transfer_atlas.statistics import accuracy_standard_error
from transfer_atlas.zoo.build import build_model, normalisation


@dataclass(frozen=True)
class Anatomy:
    """Trainable size, cost of a forward pass and family of a network."""

    parameters: int
    macs: int
    family: str


# measured this far from the published accuracy, a model is probably preprocessed in the wrong way (the authors drop it)
LARGEST_DEVIATION = 0.05


def describe_zoo(rows, geometries, correct, excluded, classes):
    """Describe every model of the zoo.

    Args:
        rows: rows of the zoo sheet.
        geometries: dict of model to its evaluation geometry.
        correct: dict of model to bool [images]: right or wrong on the evaluation split.
        excluded: dict of model to the reason for which it is left out (on_error: exclude).
        classes: number of classes.

    Returns:
        DataFrame of the models table; of an excluded model only what the sheet says is known.
    """
    described = []
    for row in rows:
        name = row["model"]
        of_sheet = {key: row[key] for key in ("model", "architecture", "weights")} | geometries[name]
        of_sheet["published_accuracy"] = row.get("published_top1")
        if name in excluded:
            described.append(of_sheet | {"excluded": True, "remark": excluded[name]})
        else:
            described.append(of_sheet | _measure(row, geometries[name]["input_size"], correct[name], classes))
    columns = SCHEMAS["models"].names
    return pd.DataFrame(described, columns=columns).astype({"mean": object, "std": object}).replace({np.nan: None})


def _measure(row, input_size, correct, classes):
    model, anatomy = dissect(row, classes, input_size)
    mean, std = normalisation(model)
    accuracy = correct.mean()
    return asdict(anatomy) | {
        "mean": mean,
        "std": std,
        "accuracy": accuracy,
        "accuracy_standard_error": accuracy_standard_error(accuracy, len(correct)),
        "excluded": False,
        "remark": _deviation(accuracy, row.get("published_top1")),
    }


def _deviation(measured, published):
    if published is None or abs(measured - published) < LARGEST_DEVIATION:
        return None
    return f"accuracy {measured:.3f} is far from the published {published:.3f}; check its recipe in the sheet"


# parts of module names by which timm marks a linear layer that mixes tokens, not channels
_TOKEN_MIXERS = ("mlp_tokens", "linear_tokens", "gate.proj")
# and the layers that cut the image into patches, which every family does
_PATCHIFIERS = ("stem", "patch_embed")


def dissect(row, classes, input_size):
    """Measure a model's anatomy on the meta device, which needs neither weights nor time.

    The family is the kind of operator that mixes positions with most multiply-accumulates: convolutions wider
    than one pixel (stem and patch embedding aside), attention with its projections, or linear layers over tokens.

    Returns:
        (model, anatomy): the model on the meta device, and what it is made of.
    """
    fused = timm.layers.use_fused_attn()
    set_fused_attn(False)  # explicit products, which the counter sees on every device
    try:
        with torch.device("meta"):
            model = build_model({**row, "weights": "random"}, classes, input_size).requires_grad_(False)
            with FlopCounterMode(display=False) as counter:
                model(torch.empty(1, 3, input_size, input_size))
    finally:
        set_fused_attn(bool(fused))
    mixing = _mixing_flops(model, counter.get_flop_counts())
    anatomy = Anatomy(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        macs=counter.get_total_flops() // 2,
        family=max(mixing, key=mixing.get),
    )
    return model, anatomy


def _mixing_flops(model, counts):
    """Flops of the modules that move information between positions, by family."""
    flops = {"convolution": 0, "transformer": 0, "mlp": 0}
    root = type(model).__name__
    for name, module in model.named_modules():
        here = sum(counts.get(f"{root}.{name}", {}).values())
        if isinstance(module, nn.Conv2d):
            if max(module.kernel_size) > 1 and not name.startswith(_PATCHIFIERS):
                flops["convolution"] += here
        elif isinstance(module, nn.Linear | nn.Conv1d):
            if any(part in name for part in _TOKEN_MIXERS):
                flops["mlp"] += here
        elif _own_products(name, module, counts, root):
            flops["transformer"] += here
    return flops


def _own_products(name, module, counts, root):
    """Batched matrix products that a module makes itself, not through its children: attention."""

    def products(path):
        return counts.get(path, {}).get(torch.ops.aten.bmm, 0)

    path = f"{root}.{name}" if name else root
    return products(path) - sum(products(f"{path}.{child}") for child, _ in module.named_children()) > 0
