"""The architectures that the installed timm has, without importing it: that takes seconds and torch."""

import importlib.util
import re
from functools import cache
from pathlib import Path

from transfer_atlas.errors import InputError, did_you_mean

REGISTERED = re.compile(r"^@register_model\n(?:@.*\n)*def (\w+)\(", re.MULTILINE)
RETIRED = re.compile(r"^register_model_deprecations\(__name__, \{(.*?)\}\)", re.MULTILINE | re.DOTALL)
OLD_NAME = re.compile(r"""['"]([\w.]+)['"]\s*:""")


@cache
def timm_architectures():
    """Names that `timm.create_model` knows, retired ones included, read from timm's source; empty without timm."""
    found = importlib.util.find_spec("timm")
    if found is None:
        return frozenset()
    names = set()
    for path in Path(found.submodule_search_locations[0], "models").glob("*.py"):
        source = path.read_text(encoding="utf-8")
        names.update(REGISTERED.findall(source))
        names.update(name for retired in RETIRED.findall(source) for name in OLD_NAME.findall(retired))
    return frozenset(names)


def check_architectures(zoo, sheet):
    """Refuse a zoo with an architecture that the installed timm does not have, before any job starts.

    Args:
        zoo: dict of model to its sheet row.
        sheet: path of the sheet, for the message.

    Raises:
        InputError: names the model and the nearest architectures.
    """
    known = timm_architectures()
    for model, row in zoo.items():
        name = row["architecture"].split(".")[0]
        of_timm = ":" not in row["architecture"] and not row["architecture"].startswith("timm.")
        if known and of_timm and name not in known:
            raise InputError(f"{sheet}: model {model}: timm has no architecture '{name}'{did_you_mean(name, known)}")
