"""What ends a job in one line instead of a traceback."""


class InputError(ValueError):
    """Bad input. The message is one line: which file, key or model; what was expected; what to do."""


class Stopped(Exception):
    """The job was asked to stop and left a checkpoint. The message is one line: how far it came."""
