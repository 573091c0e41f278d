"""The models: built by timm, with weights from the hub, a local file or trained here; their recipe, size and family."""

import pkgutil
from dataclasses import asdict, dataclass

import pandas as pd
import timm
import torch
from timm.layers import set_fused_attn
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from transfer_atlas.errors import InputError
from transfer_atlas.statistics import accuracy_standard_error
from transfer_atlas.study import did_you_mean


def default_device():
    """The first GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def build_model(row, classes, input_size, weights=None):
    """Build one model of the zoo, in eval mode.

    Args:
        row: row of the zoo sheet: model, architecture, kwargs, weights.
        classes: number of classes that the model must answer.
        input_size: side of its input in pixels.
        weights: safetensors or pth file to load; without one the hub's weights where the row asks for them,
            else the architecture's random initialisation.

    Returns:
        A torch module from [images, 3, size, size] to logits [images, classes].

    Raises:
        InputError: unknown architecture, arguments that it refuses, weights that do not load, another
            number of classes.
    """
    hub = weights is None and row["weights"] == "hub"
    overlay = {"input_size": (3, input_size, input_size)}
    kwargs = {key: _resolve(value) for key, value in row["kwargs"].items()}
    try:
        if _is_class_path(row["architecture"]):
            model = _resolve(row["architecture"])(num_classes=classes, img_size=input_size, **kwargs)
        else:
            _check_architecture(row, classes, hub)
            model = timm.create_model(
                row["architecture"], pretrained=hub, num_classes=classes, pretrained_cfg_overlay=overlay, **kwargs
            )
        if weights is not None:
            timm.models.load_checkpoint(model, str(weights))
    except InputError:
        raise
    except Exception as error:
        # timm, torch and the hub raise a dozen kinds here; each means that this row cannot be built
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"model {row['model']}: cannot be built from {row['architecture']} with weights {weights or row['weights']}: {reason}"
        ) from error
    return model.eval()


def _is_class_path(name):
    return name.startswith("timm.")


def _resolve(value):
    """Turn a dotted path into timm, such as timm.layers.GatedMlp, into the object it names."""
    if isinstance(value, str) and _is_class_path(value):
        return pkgutil.resolve_name(value)
    return value


def _check_architecture(row, classes, hub):
    name = row["architecture"].split(".")[0]
    if not timm.is_model(name):
        raise InputError(
            f"model {row['model']}: timm has no architecture '{name}'{did_you_mean(name, timm.list_models())}"
        )
    if hub:
        config = timm.get_pretrained_cfg(row["architecture"])
        # timm would go on with random weights, or with a random head, and only warn
        if not config.has_weights:
            raise InputError(f"model {row['model']}: timm has no pretrained weights for {row['architecture']}")
        if config.num_classes != classes:
            raise InputError(
                f"model {row['model']}: {row['architecture']} has {config.num_classes} classes, but images.classes is {classes}"
            )


def normalisation(model):
    """Per-channel mean and standard deviation that the model expects of pixels in 0 to 1."""
    config = getattr(model, "pretrained_cfg", None) or {}
    half = timm.data.IMAGENET_INCEPTION_MEAN
    return tuple(config.get("mean", half)), tuple(config.get("std", half))


class Input(nn.Module):
    """Turns decoded pixels into a model's input, on the model's device.

    uint8 [images, height, width, 3] -> float32 [images, 3, height, width], channels-last in memory.
    """

    def __init__(self, model):
        super().__init__()
        mean, std = normalisation(model)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1) * 255)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1) * 255)

    def forward(self, pixels):
        return (pixels.to(self.mean.device).permute(0, 3, 1, 2).float() - self.mean) / self.std


@dataclass(frozen=True)
class Anatomy:
    """What a network is made of: trainable size, cost of a forward pass and family."""

    parameters: int
    macs: int
    family: str


def describe_zoo(rows, geometries, accuracies, classes):
    """Describe every model of the zoo.

    Args:
        rows: rows of the zoo sheet.
        geometries: dict of model name to its evaluation geometry.
        accuracies: per model, bool [images]: right or wrong on the evaluation split.
        classes: number of classes.

    Returns:
        DataFrame of the models table.
    """
    described = []
    for row, correct in zip(rows, accuracies, strict=True):
        geometry = geometries[row["model"]]
        model, anatomy = dissect(row, classes, geometry["input_size"])
        mean, std = normalisation(model)
        accuracy = correct.mean()
        described.append(
            {key: row[key] for key in ("model", "architecture", "weights")}
            | asdict(anatomy)
            | geometry
            | {"mean": mean, "std": std, "accuracy": accuracy}
            | {"accuracy_standard_error": accuracy_standard_error(accuracy, len(correct))}
            | {"excluded": False, "remark": None}
        )
    return pd.DataFrame(described)


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
            model = build_model({**row, "weights": "none"}, classes, input_size).requires_grad_(False)
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
