"""Predictions of 34 public networks for all 50,000 validation images of ImageNet, for config/imagenet_public.yaml.

    python -m transfer_atlas.datasets.imagenet_public data/imagenet_public

Clones three public repositories, or takes clones that lie in the folder already, and writes one Parquet file per network,
and the ReaL labels into the folder `accepted`. The predictions and probabilities of the five first classes are from
cgnorthcutt/benchmarking-keras-pytorch (MIT), labels and file names from cleanlab/label-errors (Apache-2.0), the labels that
people accepted from google-research/reassessed-imagenet (Apache-2.0; Beyer et al. 2020, "Are we done with ImageNet?"). All
are pinned by commit, which is a checksum of their content.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from transfer_atlas.errors import InputError

REPOSITORIES = {
    "benchmarking-keras-pytorch": (
        "https://github.com/cgnorthcutt/benchmarking-keras-pytorch",
        "74df938db0f266947abedb2ec9f741af65e2d8ed",
    ),
    "label-errors": ("https://github.com/cleanlab/label-errors", "6d5d6b31"),
    "reassessed-imagenet": ("https://github.com/google-research/reassessed-imagenet", "bcd006fe"),
}
IMAGES = 50_000
FRAMEWORKS = ("keras", "pytorch")


def write_predictions(folder):
    """Write <network>_<framework>.parquet for every network into a folder.

    Raises:
        InputError: a repository is not there and cannot be cloned, or is at another commit.
    """
    folder = Path(folder)
    predictions, labels, reassessed = (take_repository(folder, name) for name in REPOSITORIES)
    for name, table in convert(predictions, labels):
        table.to_parquet(folder / f"{name}.parquet", index=False)
    (folder / "accepted").mkdir(exist_ok=True)
    convert_real_labels(reassessed / "real.json").to_parquet(folder / "accepted/real_labels.parquet", index=False)


def take_repository(folder, name):
    """Path of a clone below `folder` at its pinned commit; clones it where it is missing."""
    path, (address, commit) = folder / name, REPOSITORIES[name]
    if not path.exists():
        done = _git("clone", "--quiet", address, path)
        if done.returncode:
            raise InputError(
                f"{path}: cannot be cloned ({done.stderr.strip().splitlines()[-1]}); where there is a network: "
                f"git clone {address} {path}"
            )
    done = _git("-C", path, "checkout", "--quiet", commit)
    if done.returncode:
        raise InputError(f"{path}: has no commit {commit}; it should be a clone of {address}")
    return path


def _git(*command):
    return subprocess.run(["git", *command], capture_output=True, text=True, check=False)


def convert(predictions, labels):
    """Yield (network, DataFrame with image, label, prediction and confidence) from the two repositories.

    The order of the arrays is that of torchvision's ImageFolder: by class, then by file name. Their five columns are not
    sorted, so that the prediction is the class with the largest probability.

    Args:
        predictions: folder with <framework>_imagenet/<network>_<framework>_imagenet_top5preds.npy and ..._top5probs.npy.
        labels: folder with original_test_labels/ and resources/.

    Raises:
        InputError: no network, or arrays of other lengths than the labels.
    """
    label = np.load(Path(labels) / "original_test_labels/imagenet_val_set_original_labels.npy")
    files = json.loads((Path(labels) / "resources/imagenet_val_set_index_to_filepath.json").read_text())
    images = [
        Path(files[str(number)] if isinstance(files, dict) else files[number]).stem for number in range(len(label))
    ]
    found = [
        (path, framework)
        for framework in FRAMEWORKS
        for path in sorted((Path(predictions) / f"{framework}_imagenet").glob("*_top5preds.npy"))
    ]
    if not found:
        raise InputError(
            f"{predictions}: has no *_imagenet/*_top5preds.npy; it should be {REPOSITORIES['benchmarking-keras-pytorch'][0]}"
        )
    for path, framework in found:
        classes, probabilities = np.load(path), np.load(str(path).replace("top5preds", "top5probs"))
        if len(classes) != len(label):
            raise InputError(f"{path}: {len(classes):,} predictions for {len(label):,} images")
        first = probabilities.argmax(axis=1)[:, None]
        table = pd.DataFrame(
            {
                "image": images,
                "label": label.astype(np.int32),
                "prediction": np.take_along_axis(classes, first, axis=1)[:, 0].astype(np.int32),
                # a probability that was rounded up
                "confidence": np.take_along_axis(probabilities, first, axis=1)[:, 0].astype(np.float32).clip(max=1),
            }
        )
        yield f"{path.name.split(f'_{framework}_')[0]}_{framework}", table


def convert_real_labels(file):
    """DataFrame with image and accepted, a list of classes that may be empty, from ReaL's list in the order of ImageNet's ids.

    Raises:
        InputError: the file is not there or is no list of 50,000 lists.
    """
    try:
        lists = json.loads(Path(file).read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read ({error})") from None
    if len(lists) != IMAGES:
        raise InputError(f"{file}: labels of {len(lists):,} images instead of {IMAGES:,}")
    names = [f"ILSVRC2012_val_{number:08d}" for number in range(1, IMAGES + 1)]
    return pd.DataFrame({"image": names, "accepted": [[int(label) for label in labels] for labels in lists]})


if __name__ == "__main__":
    try:
        write_predictions(sys.argv[1])
    except InputError as error:
        sys.exit(f"error: {error}")
