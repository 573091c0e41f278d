"""The one exception for everything that a user can mend."""


class InputError(ValueError):
    """Bad input. The message is one line: which file, key or model; what was expected; what to do."""
