"""The models: built by timm or a callable of the user, with weights from the hub, a local file or trained here."""

import pkgutil
import sys
from pathlib import Path

import timm
import torch
from torch import nn

from transfer_atlas.errors import DiskError, InputError, did_you_mean, one_line
from transfer_atlas.store.checksums import check_weights
from transfer_atlas.zoo.depthwise import speed_up_depthwise
from transfer_atlas.zoo.weights import load_weights

DEPRECATED = timm.models.get_deprecated_models()  # dict of a former name to today's


def default_device():
    """The first GPU if there is one, else the CPU; float32 means float32 there, convolutions included."""
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def build_model(row, classes, input_size, weights=None, seed=0):
    """Build one model of the zoo, in eval mode.

    Args:
        row: row of the zoo sheet: model, architecture, kwargs, weights; mean and std where it says them.
        classes: number of classes that the model must predict.
        input_size: side of its input in pixels.
        weights: safetensors or pth file to load, its names changed as the row's `key_map` says; of the hub where the
            row's weights are `hub` (`zoo.fetch`). Without one timm fetches the hub's weights itself, and any other row
            gives a random initialisation.
        seed: of that initialisation.

    Returns:
        A torch module from [images, 3, size, size] to logits [images, classes].

    Raises:
        InputError: unknown architecture, arguments that it refuses, weights that do not load, another
            number of classes.
    """
    hub, overlay = row["weights"] == "hub", _config_overlay(row, input_size, weights)
    try:
        if weights is not None:
            check_weights(weights)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = _create(row, classes, input_size, hub, overlay)
        speed_up_depthwise(model)
        if weights is not None and not hub:
            load_weights(model, weights, row.get("key_map", []), row.get("weights_key"))
        _check_output(model, classes, input_size)
    except DiskError:
        raise
    except InputError as error:
        message = str(error)
        raise InputError(message if message.startswith("model ") else f"model {row['model']}: {message}") from None
    except Exception as error:
        # timm, torch and the hub raise a dozen kinds here; each means that this row cannot be built
        raise InputError(
            f"model {row['model']}: cannot be built from {row['architecture']} with weights "
            f"{weights or row['weights']}: {one_line(error)}"
        ) from error
    if not getattr(model, "pretrained_cfg", None):
        model.pretrained_cfg = {key: overlay[key] for key in ("mean", "std") if key in overlay}
    return model.eval()


def _config_overlay(row, input_size, weights):
    """What replaces entries of timm's own config of the model."""
    overlay = {"input_size": (3, input_size, input_size)}
    overlay |= {key: tuple(row[key]) for key in ("mean", "std") if key in row}
    if row["weights"] == "hub" and weights is not None:
        # timm's loader adapts the weights of the hub to the network
        overlay |= {"file": str(weights), "custom_load": False}
    return overlay


@torch.no_grad()
def _check_output(model, classes, input_size):
    """Raise InputError where a network cannot take one image of its size, or has another number of logits."""
    if any(parameter.is_meta for parameter in model.parameters()):
        return
    try:
        found = tuple(logits_of(model.eval()(torch.zeros(1, 3, input_size, input_size))).shape)
    except (AssertionError, RuntimeError, ValueError) as error:
        raise InputError(f"cannot take an RGB image of {input_size} x {input_size} pixels: {one_line(error)}") from None
    if found != (1, classes):
        raise InputError(f"the output for one image is {found}, but should be (1, {classes})")


def logits_of(output):
    """The logits of what a network returns: a tensor, or the first of several.

    Networks of torchvision with auxiliary classifiers, such as GoogLeNet, return their own logits first while they train.
    """
    return output[0] if isinstance(output, tuple | list) else output


def _create(row, classes, input_size, hub, overlay):
    architecture, kwargs = row["architecture"], {key: _resolve(value) for key, value in row["kwargs"].items()}
    if ":" in architecture:
        return _call(row, kwargs)
    if is_class_path(architecture):
        return _resolve(architecture)(num_classes=classes, img_size=input_size, **kwargs)
    check_architecture(row, classes, hub)
    return timm.create_model(
        architecture, pretrained=hub, num_classes=classes, pretrained_cfg_overlay=overlay, **kwargs
    )


def _call(row, kwargs):
    """A network that is not timm's: any importable callable, `package.module:name`, the working directory included."""
    name = f"model {row['model']}: {row['architecture']}"
    if not {"mean", "std"} <= set(row):
        raise InputError(f"{name} is not timm's, so its row must say mean and std")
    if row["weights"] == "hub":
        raise InputError(f"{name} is not timm's, so its weights must be a local file or train:<recipe>, not hub")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    return pkgutil.resolve_name(row["architecture"])(**kwargs)


def is_class_path(value):
    """Whether a value of the sheet is a dotted path into timm, such as timm.layers.GatedMlp."""
    return isinstance(value, str) and value.startswith("timm.")


def _resolve(value):
    """Turn a dotted path into timm, such as timm.layers.GatedMlp, into the object it names."""
    if is_class_path(value):
        return pkgutil.resolve_name(value)
    return value


def check_architecture(row, classes, hub):
    """Raise InputError where timm has no such architecture, or no pretrained weights of so many classes (`hub`)."""
    name = row["architecture"].split(".")[0]
    if not timm.is_model(name):
        raise InputError(
            f"model {row['model']}: timm has no architecture '{name}'{did_you_mean(name, timm.list_models())}"
        )
    if new := DEPRECATED.get(name):
        raise InputError(f"model {row['model']}: timm calls {row['architecture']} {new} now; write that")
    if hub:
        try:
            config = timm.get_pretrained_cfg(row["architecture"])
        except RuntimeError:
            tags = timm.list_pretrained(f"{name}.*")
            raise InputError(
                f"model {row['model']}: timm has no weights {row['architecture']}{did_you_mean(row['architecture'], tags)}"
            ) from None
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
        # not persistent: no weights of a network
        self.register_buffer("mean", torch.tensor(mean) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(std) * 255, persistent=False)

    @property
    def device(self):
        """Device of the model."""
        return self.mean.device

    def forward(self, pixels):
        rows, width = pixels.to(self.device).flatten(2).float(), pixels.shape[2]
        # whole rows, because the CPU is slow where the inner loop has the three channels alone
        rows.sub_(self.mean.repeat(width)).div_(self.std.repeat(width))
        return rows.view(pixels.shape).permute(0, 3, 1, 2)
