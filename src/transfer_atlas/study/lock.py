"""One run of a study at a time."""

import fcntl
import os
from pathlib import Path

from transfer_atlas.errors import InputError


def hold_lock(path):
    """Hold a study's lock until this process ends, however it ends; the kernel frees it even after a kill -9.

    Raises:
        InputError: another live process holds it, or the file system has no locks.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)  # not inherited by jobs; never closed on purpose
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(
            f"another snakemake is running the study {path.stem} in this folder; wait for it, or end it"
        ) from None
    except OSError as error:
        raise InputError(
            f"{path}: this file system has no locks ({error.strerror}); run in a folder on one that has them"
        ) from None
