"""Which names models and files may have."""

import re

from transfer_atlas.errors import InputError

MODEL_NAME = r"[\w.+-]+"  # in sheets, in predictions and in paths
LONGEST_NAME = 200  # bytes; a file name has at most 255


def check_model_name(name, where):
    """Refuse a name that cannot stand in a path.

    Raises:
        InputError: other characters than letters, digits and _ . + -; too long; or the name of a path part.
    """
    if not re.fullmatch(MODEL_NAME, name):
        raise InputError(f"{where}: model name '{name}' may hold only letters, digits and _ . + -; rename it")
    if len(name.encode()) > LONGEST_NAME:
        raise InputError(f"{where}: model name '{name[:40]}...' is longer than {LONGEST_NAME} bytes; shorten it")
    if name in ("none", ".", ".."):
        raise InputError(f"{where}: a model cannot be called '{name}', which has a meaning in paths; rename it")


def check_file_name(path, where):
    """Refuse a path that Snakemake would take for a pattern.

    Raises:
        InputError: it has braces.
    """
    if "{" in str(path) or "}" in str(path):
        raise InputError(f"{where}: {path} has braces, which Snakemake takes for wildcards; rename it")
