"""Values that users wrote, checked against a JSON schema and completed from it."""

import copy

import yaml
from jsonschema import Draft202012Validator

from transfer_atlas.errors import InputError, did_you_mean


def check(value, schema, where):
    """Return `value` with the schema's defaults filled in.

    Raises:
        InputError: the first violation, in one line that starts with `where` and names the key.
    """
    _refuse_other_keys(value, where)
    _fill_defaults(value, schema, {})
    # what two keys have to do with each other comes after what is wrong with one of them
    errors = sorted(
        Draft202012Validator(schema).iter_errors(value),
        key=lambda error: (error.validator in ("not", "const"), list(map(str, error.path))),
    )
    if errors:
        raise InputError(f"{where}: {_explain(errors[0])}")
    return value


def _refuse_other_keys(value, where):
    """Refuse keys that YAML reads as a number or as true and false: every key is text."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if isinstance(value, dict) and not isinstance(key, str):
            raise InputError(
                f"{where}: YAML reads the key {key} as {type(key).__name__} and not as text; write it in quotes"
            )
        _refuse_other_keys(item, where)


def _fill_defaults(value, schema, section):
    """Fill in defaults, outer keys first.

    The entries of a map (a method, a training recipe) take what they do not say from `section`, which holds the map,
    where it has a key of that name; only then from the schema.
    """
    if not isinstance(value, dict):
        return
    properties, others = schema.get("properties", {}), schema.get("additionalProperties")
    for key, sub in properties.items():
        if key not in value and (key in section or "default" in sub):
            # a copy: two studies in one process must not share the schema's own dict
            value[key] = copy.deepcopy(section.get(key, sub.get("default")))
    for key, item in value.items():
        if key in properties:
            is_map = isinstance(properties[key].get("additionalProperties"), dict)
            _fill_defaults(item, properties[key], value if is_map else {})
        elif isinstance(others, dict):
            _fill_defaults(item, others, section)


def _cure(value, wanted):
    """What to write where YAML has read a value in another way than people mean it."""
    if isinstance(value, str) and wanted == "number":
        try:
            number = float(value)
        except ValueError:
            return ""
        return f"; write {number!r}, for YAML reads {value} as text" if yaml.safe_load(value) == value else ""
    if wanted == "string" and not isinstance(value, dict | list):
        return "; put it in quotes, for YAML reads it as another type"
    return ""


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
    if error.validator == "dependentRequired":
        missing = next(name for names in error.validator_value.values() for name in names if name not in error.instance)
        return f"{at}'{missing}' is missing"
    if error.validator == "enum":
        return f"{at}{error.instance!r} is not one of {', '.join(error.validator_value)}"
    if error.validator == "oneOf":
        options = " or ".join(" and ".join(option["required"]) for option in error.validator_value)
        return (
            f"{at}give either {options} (a key that is set to null is left out); a variant is given together with the "
            "study that it varies: --configfile study.yaml variant.yaml"
        )
    if error.validator == "const":
        return f"{at}needs target: most_confident or confidence_gap"
    if error.validator == "not":
        return f"{at}'{error.validator_value['required'][0]}' needs target: most_confident or confidence_gap"
    if error.validator == "type" and (cure := _cure(error.instance, error.validator_value)):
        return f"{at}{error.message}{cure}"
    described = error.schema.get("description")
    return f"{at}{error.message}" + (f" ({described})" if described else "")
