"""Files of weights: read into a network, written with a checksum, and the reason in one that has no weights."""

import argparse
import re
from pathlib import Path

import numpy as np
import timm
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from transfer_atlas.errors import InputError
from transfer_atlas.store.checksums import NO_CHECKSUM, damaged, with_checksum
from transfer_atlas.store.files import atomic

AVERAGES = {"state_dict_ema": "state_dict", "model_ema": "model"}  # keys of a training checkpoint, as timm names them


def load_weights(model, path, key_map, weights_key=None):
    """Load a local file of weights into a network.

    Args:
        model: the network.
        path: safetensors, pth or npz file.
        key_map: as in `rename_keys`.
        weights_key: key of a training checkpoint that holds the weights; None where only one does.

    Raises:
        InputError: the file holds both weights and their average, and `weights_key` does not say which is meant; it has no
            such key; what `rename_keys` raises.
    """
    if Path(path).suffix in (".npz", ".npy"):
        timm.models.load_checkpoint(model, str(path))  # the network's own format
        return
    weights = timm.models.clean_state_dict(_choose(_read(path), path, weights_key))
    model.load_state_dict(rename_keys(weights, model, key_map))


def _read(path):
    """What a file holds: a state dict, or a training checkpoint with one inside."""
    if Path(path).suffix == ".safetensors":
        return load_file(path)
    # what training loops write beside the weights, and holds no code: timm's arguments, and numbers of NumPy
    numbers = [
        np.dtype,
        np._core.multiarray.scalar,
        *(kind for kind in vars(np.dtypes).values() if isinstance(kind, type)),
    ]
    with torch.serialization.safe_globals([argparse.Namespace, *numbers]):
        return torch.load(path, map_location="cpu", weights_only=True)


def _choose(saved, path, weights_key):
    """The state dict in a training checkpoint; the whole of any other file."""
    keys = [key for key in (*AVERAGES, *AVERAGES.values()) if saved.get(key) is not None]
    if weights_key is not None:
        if weights_key not in keys:
            raise InputError(f"{path} has no '{weights_key}' (column weights_key), but {', '.join(list(saved)[:5])}")
        return saved[weights_key]
    for average, weights in AVERAGES.items():
        if average in keys and weights in keys:
            raise InputError(
                f"{path} holds weights ('{weights}') and their average ('{average}'); timm's load_checkpoint takes the "
                "average, its validate.py the weights; say which is meant in the column weights_key"
            )
    return saved[keys[0]] if keys else saved


def rename_keys(weights, model, key_map):
    """Give the tensors of a file the names that a network has for them.

    Args:
        weights: dict of name to tensor, as the file has them.
        model: the network.
        key_map: list of [regular expression, replacement], applied in turn to each name, a replacement of None leaving
            the tensor out; or `order`, where the file lists the network's tensors in the network's order.

    Raises:
        InputError: another number of tensors, or of numbers in one of them (`order`).
    """
    if key_map != "order":
        for pattern, replacement in key_map:
            if replacement is None:
                weights = {name: value for name, value in weights.items() if not re.search(pattern, name)}
            else:
                weights = {re.sub(pattern, replacement, name): value for name, value in weights.items()}
        return weights
    wanted = model.state_dict()
    if len(weights) != len(wanted):
        raise InputError(
            f"its file has {len(weights)} tensors, but the network {len(wanted)}; key_map: order cannot be"
        )
    for (name, value), (other, here) in zip(weights.items(), wanted.items(), strict=True):
        if value.shape != here.shape:
            raise InputError(
                f"its file has {name} {tuple(value.shape)} where the network has {other} {tuple(here.shape)}"
            )
    return dict(zip(wanted, weights.values(), strict=True))


def save_weights(weights, path, excluded=None, **more):
    """Write a state dict as a safetensors file, whole or not at all.

    Args:
        weights: the state dict.
        path: file to write.
        excluded: reason for which the model is left out of the study (on_error: exclude); None where it is not.
        more: text by name for the metadata of the file.
    """
    metadata = NO_CHECKSUM | more | ({"excluded": excluded} if excluded else {})
    with atomic(path) as partial:
        partial.write_bytes(with_checksum(save(weights, metadata)))


def exclusion_of_weights(path):
    """Why the model of a weights file was left out of the study, or None if it was not."""
    if path is None or not str(path).endswith(".safetensors"):
        return None
    return metadata_of_weights(path).get("excluded")


def metadata_of_weights(path):
    """Metadata of a safetensors file, text by name.

    Raises:
        DiskError: it is damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except SafetensorError as error:
        raise damaged(path, error) from None
