"""The study as its user wrote it: config and zoo sheet, checked and completed before anything runs.

Runs at every start of the workflow, so it imports neither torch nor pandas.
"""

import csv
import difflib
import fcntl
import glob
import json
import os
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

from transfer_atlas.errors import InputError

GEOMETRY_KEYS = ("input_size", "crop_pct", "crop_mode", "interpolation")
TRAINED_HERE = "train:"
PREDICTION_SUFFIXES = (".parquet", ".csv", ".tsv")


def load_schema(path):
    """Read a JSON schema written as YAML."""
    return yaml.safe_load(Path(path).read_text())


def check_study(config, schema):
    """Check the merged config and fill in its defaults, in place.

    Raises:
        InputError: the first violation, in one line that names the key.
    """
    check(config, schema, "config")
    for name, method in config["transfer"]["methods"].items():
        if "target" not in method and method["label_weight"] != 1:
            raise InputError(
                f"config: method '{name}' has no target, so its label_weight must be 1 (it is {method['label_weight']})"
            )


def hold_lock(path):
    """Hold the run's lock until this process ends, however it ends; the kernel frees it even after a kill -9.

    Raises:
        InputError: another live process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)  # not inherited by jobs; never closed on purpose
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError("another snakemake is running in this folder; wait for it, or end it") from None


def check(value, schema, where):
    """Return `value` with the schema's defaults filled in.

    Raises:
        InputError: the first violation, in one line that starts with `where` and names the key.
    """
    _fill_defaults(value, schema)
    errors = sorted(Draft202012Validator(schema).iter_errors(value), key=lambda error: list(map(str, error.path)))
    if errors:
        raise InputError(f"{where}: {_explain(errors[0])}")
    return value


def _fill_defaults(value, schema):
    if not isinstance(value, dict):
        return
    properties, others = schema.get("properties", {}), schema.get("additionalProperties")
    for key, sub in properties.items():
        if "default" in sub and key not in value:
            # a copy: two studies in one process must not share the schema's own dict
            value[key] = json.loads(json.dumps(sub["default"]))
    for key, item in value.items():
        sub = properties.get(key, others)
        if isinstance(sub, dict):
            _fill_defaults(item, sub)


def _explain(error):
    key = ".".join(map(str, error.path))
    at = f"key '{key}': " if key else ""
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = sorted(set(error.instance) - set(known))[0]
        full = f"{key}.{unknown}" if key else unknown
        return f"unknown key '{full}'{did_you_mean(unknown, known)}"
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        return f"{at}'{missing}' is missing"
    if error.validator == "enum":
        return f"{at}{error.instance!r} is not one of {', '.join(error.validator_value)}"
    if error.validator == "oneOf":
        return f"{at}give either {' or '.join(' and '.join(option['required']) for option in error.validator_value)}"
    if error.validator == "not":
        return f"{at}'{error.validator_value['required'][0]}' needs target: most_confident"
    described = error.schema.get("description")
    return f"{at}{error.message}" + (f" ({described})" if described else "")


def did_you_mean(name, known):
    """Suggest the nearest known names, as the end of an error line."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(near)}?" if near else f"; known: {', '.join(sorted(known)[:12])}"


def read_sheet(path, required):
    """Read a tab-separated sheet as a list of dicts without its empty cells.

    Raises:
        InputError: no such file, or a required column is missing.
    """
    try:
        with open(path, newline="") as file:
            reader = csv.DictReader(file, delimiter="\t")
            rows = list(reader)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    missing = [column for column in required if column not in (reader.fieldnames or [])]
    if missing:
        raise InputError(
            f"{path}: column '{missing[0]}' is missing; the sheet is tab-separated with columns {', '.join(required)}"
        )
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
        kind = schema["properties"].get(key, {}).get("type")
        try:
            typed[key] = json.loads(cell) if kind in ("integer", "number", "object") else cell
        except json.JSONDecodeError:
            raise InputError(f"{where}: column '{key}' should be {kind} in JSON, not {cell!r}") from None
    return typed


def _check_weights(row, recipes, where):
    weights = row["weights"]
    if weights.startswith(TRAINED_HERE):
        recipe = weights.removeprefix(TRAINED_HERE)
        if recipe not in recipes:
            raise InputError(f"{where}: no training recipe '{recipe}' in zoo.recipes{did_you_mean(recipe, recipes)}")
    elif weights != "hub" and not Path(weights).is_file():
        raise InputError(f"{where}: weights file '{weights}' does not exist; expected train:<recipe>, hub or a file")


def prediction_files(patterns):
    """Find the files of predictions made elsewhere, in the order of the patterns, then by name.

    Raises:
        InputError: a pattern that matches no file, or files of a kind that cannot be read.
    """
    files = []
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        found = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 (Path.glob refuses absolute patterns)
        if not found:
            raise InputError(f"predictions.files: no file matches {pattern}")
        files += [file for file in found if file not in files]
    for file in files:
        if Path(file).suffix not in PREDICTION_SUFFIXES:
            raise InputError(f"predictions.files: {file} is none of {', '.join(PREDICTION_SUFFIXES)}")
    return files


def dataset_files(root, pattern):
    """Find the Parquet shards of one split, sorted by name.

    Raises:
        InputError: no file matches.
    """
    files = sorted(map(str, Path(root).glob(pattern)))
    if not files:
        raise InputError(
            f"images.root: no file matches {Path(root) / pattern}; set images.root to the data set's folder"
        )
    return files


def geometry_of(row, default):
    """The evaluation geometry of one model: its sheet row over the study's default."""
    return {key: row.get(key, default[key]) for key in GEOMETRY_KEYS}


def geometry_name(geometry):
    """File name of a geometry: models with the same name share one decoded array."""
    return "{input_size}px-{crop_pct:g}-{crop_mode}-{interpolation}".format(**geometry)
