"""What ends a job in one line instead of a traceback."""

import difflib


class InputError(ValueError):
    """Bad input. The message is one line: which file, key or model; what was expected; what to do."""


class DiskError(InputError):
    """A full disk or a damaged file. The model is not at fault, so `on_error: exclude` does not leave it out."""


class Stopped(Exception):
    """The job was asked to stop and left a checkpoint. The message is one line: how far it came."""


def did_you_mean(name, known):
    """Suggest the nearest known names, or else list the known ones, as the end of an error line."""
    return nearest(name, known) or f"; known: {', '.join(sorted(known)[:12])}"


def nearest(name, known):
    """Suggest the nearest known names, as the end of an error line; empty where none is near."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def one_line(error, length=300):
    """The message of any exception as one line of at most `length` characters."""
    return " ".join(str(error).split())[:length]
