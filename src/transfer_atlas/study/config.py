"""The config as its user wrote it: checked and completed before anything runs.

A study says all that differs from the schema's defaults. Parsed at every start of the workflow, so neither torch nor
pandas is imported.
"""

import copy
from pathlib import Path

import yaml

from transfer_atlas.errors import InputError
from transfer_atlas.study.methods import evaluates_in_student_input, has_teacher, keeps_best, teacher_learns
from transfer_atlas.study.validation import check

# what a study of predictions made elsewhere has no use for
OF_IMAGES = (
    "seed",
    "images",
    "geometry",
    "views",
    "inference",
    "zoo",
    "pairs",
    "transfer",
    "published",
    "sweep",
    "teams",
    "improve",
)
# keys that make a study another kind: what it is of, and what it does not read
KINDS = {
    "predictions": ("predictions made elsewhere", OF_IMAGES),
    "tables": ("tables that were handed over", (*OF_IMAGES, "predictions", "complementarity", "on_error")),
}


def load_schema(path):
    """Read a JSON schema written as YAML."""
    return yaml.safe_load(Path(path).read_text())


def check_study(config, schema):
    """Check the merged config and complete it, in place.

    Keys that are null are removed, but not those of `predictions.columns`. What is not said is filled in from the schema,
    never from another study.

    Args:
        config: the merged config.
        schema: the schema of the config.

    Raises:
        InputError: the first violation, in one line that names the key.
    """
    _remove_nulls(config)
    _check_kind(config)
    for key, (_, unused) in KINDS.items():
        if key in config:
            used = {name: sub for name, sub in schema["properties"].items() if name not in unused}
            schema = {**schema, "properties": used}
    _apply_fidelity(config.get("transfer"), schema)
    check(config, schema, "config")
    for name, method in config.get("transfer", {}).get("methods", {}).items():
        if not {"target", "contrast"} & set(method) and method["label_weight"] != 1:
            raise InputError(
                f"config: method '{name}' has no target, so its label_weight must be 1 (it is {method['label_weight']})"
            )
        if evaluates_in_student_input(method) and not _has_frozen_teacher(method):
            raise InputError(
                f"config: method '{name}' has teacher_evaluated_on: student_input, so it must have a teacher that does not learn"
            )
        if method["perturb_weights"] and name == (config.get("teams") or {}).get("method"):
            raise InputError(
                f"config: teams.method '{name}' must not have perturb_weights: a team starts from the student as it is"
            )
        if keeps_best(method) and not method["select_share"]:
            raise InputError(f"config: method '{name}' has keep_weights: best, so its select_share must be above 0")
    for transform in config.get("views", {}).get("transforms", []):
        known = schema["properties"]["views"]["properties"]["transforms"]["options"][transform["name"]]
        if unknown := sorted(set(transform) - {"name", "p", *known}):
            raise InputError(f"config: views.transforms: {transform['name']} has no option '{unknown[0]}'")
    _check_method_names(config)
    recipe = schema["properties"].get("transfer", {}).get("properties", {})
    for key, values in config.get("sweep", {}).items():
        for value in values:
            check({key: value}, {"properties": {key: recipe[key]}}, "config: section 'sweep'")


def _check_method_names(config):
    """Names of methods become names of rules, beside those of sweeps."""
    methods = config.get("transfer", {}).get("methods", {})
    for key in config.get("sweep", {}):
        for name in methods:
            if f"{key}_{name}" in methods:
                raise InputError(
                    f"config: method '{key}_{name}' is called like the sweep of '{key}' with method '{name}'; rename it"
                )


def _apply_fidelity(transfer, schema):
    """Let a study that asks for it have the quirks of the authors' code where it does not say otherwise."""
    if not isinstance(transfer, dict) or transfer.get("fidelity") != "authors":
        return
    default = schema["properties"]["transfer"]["properties"]["methods"]["default"]
    transfer.setdefault("batch_norm", "train")
    methods = transfer.setdefault("methods", copy.deepcopy(default))
    for method in filter(lambda method: isinstance(method, dict), methods.values()):
        method.setdefault("double_softmax", True)
        if _has_frozen_teacher(method):
            method.setdefault("teacher_evaluated_on", "student_input")
        if "slow_weights" in method:
            method.setdefault("spare_right", True)
            method["slow_weights"] = {"reset": True} | method["slow_weights"]


def _has_frozen_teacher(method):
    return has_teacher(method) and not teacher_learns(method)


NULLABLE = "columns"  # of predictions: null says that the files have no such column


def _remove_nulls(value):
    for key, item in list(value.items()):
        if item is None:
            del value[key]
        elif isinstance(item, dict) and key != NULLABLE:
            _remove_nulls(item)


def _check_kind(config):
    """Refuse a config that mixes kinds of studies, or that says nothing but a name."""
    if set(config) <= {"study"}:
        raise InputError(
            "config: nothing but a study's name, which is no study; give its file with --configfile, "
            "or --configfile config/config.yaml for the embedded study under another name"
        )
    for key, (kind, keys) in KINDS.items():
        if key in config and (unused := [name for name in keys if name in config]):
            raise InputError(f"config: a study of {kind} does not read '{unused[0]}'; remove it, or set it to null")


def used_config(config, zoo):
    """What the study really uses, no more: a copy without training recipes that no model names.

    Args:
        config: the checked config.
        zoo: dict of model to its sheet row; empty for a study of predictions.
    """
    used = copy.deepcopy({key: value for key, value in config.items() if key not in ("headline", "has_page")})
    if "zoo" in used:
        named = {row["weights"].removeprefix("train:") for row in zoo.values() if row["weights"].startswith("train:")}
        used["zoo"]["recipes"] = {name: recipe for name, recipe in used["zoo"]["recipes"].items() if name in named}
    if used["complementarity"]["class_similarity"] != "text":
        del used["complementarity"]["text_model"]
    return used
