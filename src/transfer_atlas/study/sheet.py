"""Tab-separated sheets: the zoo and its evaluation geometries, and lists of pairs."""

import csv
import json
from pathlib import Path

from transfer_atlas.errors import InputError, did_you_mean
from transfer_atlas.store.files import refuse_lfs_pointer
from transfer_atlas.study.names import check_file_name, check_model_name
from transfer_atlas.study.validation import check

GEOMETRY_KEYS = ("input_size", "crop_pct", "crop_mode", "interpolation")
TRAINED_HERE = "train:"


def read_sheet(path, required):
    """Read a tab-separated sheet as a list of dicts without its empty cells.

    Raises:
        InputError: no such file, or a required column is missing.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, delimiter="\t")
            reader.fieldnames = [name.strip() for name in reader.fieldnames or []]
            rows, columns = list(reader), reader.fieldnames
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8; save it as UTF-8") from None
    for number, cells in enumerate([columns, *(row.values() for row in rows)], start=1):
        if any("\n" in cell or "\r" in cell for cell in cells if isinstance(cell, str)):
            raise InputError(
                f"{path}, row {number}: a quotation mark opens a cell that does not end in its row; remove it"
            )
    missing = [column for column in required if column not in columns]
    if missing:
        raise InputError(
            f"{path}: column '{missing[0]}' is missing; the sheet is tab-separated with columns {', '.join(required)}"
        )
    for number, row in enumerate(rows, start=2):
        if None in row:
            raise InputError(f"{path}, row {number}: has more cells than the header; is a tab too many in it?")
    return [{key: cell.strip() for key, cell in row.items() if key and cell and cell.strip()} for row in rows]


def read_zoo(path, schema, recipes):
    """Read and check the zoo sheet.

    Args:
        path: tab-separated table, one row per model.
        schema: JSON schema of one row.
        recipes: the training recipes of the config, by name.

    Returns:
        Dict of model name to its row, in the order of the sheet.

    Raises:
        InputError: with the row and column at fault.
    """
    zoo = {}
    for number, row in enumerate(read_sheet(path, schema["required"]), start=2):
        where = f"{path}, row {number}"
        row = check(_typed(row, schema, where), schema, where)
        check_model_name(row["model"], where)
        if row["model"] in zoo:
            raise InputError(f"{where}: model '{row['model']}' is named twice")
        _check_weights(row, recipes, where)
        zoo[row["model"]] = row
    if not zoo:
        raise InputError(f"{path}: has no models")
    return zoo


def _typed(row, schema, where):
    """Parse the cells whose column is not text; leave what does not parse to the schema's own complaint."""
    typed = {}
    for key, cell in row.items():
        kind = schema["properties"].get(key, {}).get("type", "string")
        try:
            typed[key] = cell if kind == "string" else json.loads(cell)
        except json.JSONDecodeError:
            if "string" in kind:
                typed[key] = cell
                continue
            raise InputError(f"{where}: column '{key}' should be {kind} in JSON, not {cell!r}") from None
    return typed


def _check_weights(row, recipes, where):
    weights = row["weights"]
    if weights.startswith(TRAINED_HERE):
        recipe = weights.removeprefix(TRAINED_HERE)
        if recipe not in recipes:
            raise InputError(f"{where}: no training recipe '{recipe}' in zoo.recipes{did_you_mean(recipe, recipes)}")
    elif weights != "hub":
        check_file_name(weights, where)
        if not Path(weights).is_file():
            raise InputError(
                f"{where}: weights file '{weights}' does not exist; expected train:<recipe>, hub or a file"
            )
        refuse_lfs_pointer(weights)


def geometry_of(row, default, sheet):
    """The evaluation geometry of one model: its sheet row's, else the study's.

    Args:
        row: the model's row.
        default: config section `geometry`, or an empty dict.
        sheet: path of the sheet, for the message.

    Raises:
        InputError: neither says all of it.
    """
    geometry = {key: row.get(key, default.get(key)) for key in GEOMETRY_KEYS}
    missing = [key for key, value in geometry.items() if value is None]
    if missing:
        raise InputError(
            f"{sheet}: model {row['model']} has no {missing[0]}; let timm's be written into the sheet with: "
            f"python -m transfer_atlas.zoo.sheet --complete {sheet}, or give `geometry` in the config"
        )
    return geometry


def geometry_name(geometry):
    """File name of a geometry: models with the same name share one decoded array."""
    return "{input_size}px-{crop_pct:g}-{crop_mode}-{interpolation}".format(**geometry)
