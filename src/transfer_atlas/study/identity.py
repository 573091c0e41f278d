"""What may not change under one study name, so that no study overwrites the results of another."""

import json
import os
from pathlib import Path

from transfer_atlas.errors import InputError
from transfer_atlas.store.files import save_text

IDENTITY = "identity.json"
IMAGE_KEYS = (
    "root",
    "train",
    "evaluation",
    "evaluation_labels",
    "held_out",
    "image_column",
    "label_column",
    "class_order",
    "classes",
)


def identity_of(config, geometries):
    """What identifies a study: its kind, its images and the evaluation geometry of each model.

    Args:
        config: the checked config.
        geometries: dict of model to its evaluation geometry; empty for a study of predictions.
    """
    if "images" not in config:
        return {"kind": "predictions made elsewhere"}
    images = {f"images.{key}": config["images"].get(key) for key in IMAGE_KEYS}
    return {"kind": "images", **images, "geometry": geometries}


def check_identity(results, identity):
    """Compare a study with the one whose results are in the folder.

    Models may come and go; everything else must be equal.

    Raises:
        InputError: the folder holds the results of another study.
    """
    path = Path(results) / IDENTITY
    if not path.exists():
        return
    known = json.loads(path.read_text())
    for key in known.keys() | identity.keys():
        old, new = known.get(key), identity.get(key)
        if key == "geometry" and old and new:
            changed = [model for model in old.keys() & new.keys() if old[model] != new[model]]
            if not changed:
                continue
            key, old, new = f"geometry of {changed[0]}", old[changed[0]], new[changed[0]]
        if old != new:
            raise InputError(
                f"{results} holds the results of another study: its {key} is {old}, not {new}; give this study a name "
                f"of its own (study: <name>), or delete {results}"
            )


def check_writable(results):
    """Refuse to start where the results cannot be written.

    Args:
        results: folder of the study's results; it need not exist.

    Raises:
        InputError: the folder, or the nearest one above it that exists, is read-only for this user.
    """
    folder = next(path for path in (Path(results), *Path(results).absolute().parents) if path.exists())
    if not os.access(folder, os.W_OK):
        raise InputError(
            f"{results}: cannot be written by this user ({folder} is read-only); copy the results to a folder of your own"
        )


def save_identity(results, identity):
    """Write down what identifies the study; models that are left out now stay known."""
    path = Path(results) / IDENTITY
    if path.exists() and "geometry" in identity:
        known = json.loads(path.read_text()).get("geometry", {})
        identity = identity | {"geometry": known | identity["geometry"]}
    save_text(path, json.dumps(identity, indent=1) + "\n")
