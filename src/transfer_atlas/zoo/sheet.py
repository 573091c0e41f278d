"""Zoo sheets from timm's registry: all pretrained models and their evaluation geometry.

    python -m transfer_atlas.zoo.sheet --classes 1000 > config/imagenet_hub.tsv     all pretrained models of 1,000 classes
    python -m transfer_atlas.zoo.sheet --complete my_zoo.tsv > completed.tsv        empty recipe columns filled in
    python -m transfer_atlas.zoo.sheet --pin my_zoo.tsv > pinned.tsv                revision and hash of what the hub holds today

The same timm writes the same sheet. The size is the one that a model was trained for, as `timm.data.resolve_data_config`
has it by default, not the larger one that some are tested at.
"""

import argparse
import csv
import json
import sys

import timm

from transfer_atlas.errors import InputError, did_you_mean
from transfer_atlas.study.sheet import read_sheet
from transfer_atlas.zoo.fetch import pin

RECIPE = ("input_size", "crop_pct", "crop_mode", "interpolation", "mean", "std")


def recipe_of(name):
    """Evaluation geometry and normalisation of a model of timm, as cells of a sheet.

    Args:
        name: timm model name; with its tag, or of the default weights.

    Raises:
        InputError: timm does not know it.
    """
    try:
        config = timm.get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError:
        config = None
    if config is None:
        raise InputError(f"timm has no model '{name}'{did_you_mean(name, timm.list_pretrained())}")
    cells = {key: getattr(config, key) for key in RECIPE}
    cells["input_size"] = max(config.input_size[1:])
    return {key: json.dumps(value) if isinstance(value, tuple | list) else str(value) for key, value in cells.items()}


def hub_rows(classes):
    """One row for each pretrained timm model that predicts this number of classes, sorted by name."""
    names = [name for name in timm.list_pretrained() if timm.get_pretrained_cfg(name).num_classes == classes]
    return [{"model": name, "architecture": name, "weights": "hub"} | recipe_of(name) for name in sorted(names)]


def complete(path):
    """The rows of a sheet with their empty recipe columns filled in.

    Raises:
        InputError: the sheet cannot be read, or a model is not timm's and has no recipe of its own.
    """
    rows = []
    for row in read_sheet(path, ("model", "architecture", "weights")):
        missing = [key for key in RECIPE if key not in row]
        try:
            rows.append(row | {key: cell for key, cell in recipe_of(row["architecture"]).items() if key in missing})
        except InputError as error:
            if missing:
                raise InputError(f"{path}: model {row['model']}: {error}; fill in {missing[0]} by hand") from None
            rows.append(row)
    return rows


def pin_all(path):
    """The rows of a sheet, those of the hub with revision and SHA-256 of their weights as they stand today.

    Raises:
        InputError: as `zoo.fetch.pin`.
    """
    rows = read_sheet(path, ("model", "architecture", "weights"))
    return [row | (pin(row["architecture"]) if row["weights"] == "hub" else {}) for row in rows]


def write(rows, file):
    """Write rows as a tab-separated sheet; columns in the order in which they first appear."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(file, columns, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
    writer.writeheader()
    writer.writerows(rows)


def main():
    """Write the sheet that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m transfer_atlas.zoo.sheet", description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--classes", type=int, help="all pretrained models of so many classes")
    what.add_argument("--complete", metavar="SHEET", help="this sheet, with its empty recipe columns filled in")
    what.add_argument("--pin", metavar="SHEET", help="this sheet, with the revision and hash of each model of the hub")
    arguments = parser.parse_args()
    try:
        if arguments.pin:
            rows = pin_all(arguments.pin)
        else:
            rows = complete(arguments.complete) if arguments.complete else hub_rows(arguments.classes)
    except InputError as error:
        sys.exit(f"error: {error}")
    write(rows, sys.stdout)


if __name__ == "__main__":
    main()
