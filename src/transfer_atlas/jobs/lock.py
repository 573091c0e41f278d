"""Locks that the kernel frees when their process ends, even after kill -9."""

import fcntl
import os
from pathlib import Path

from transfer_atlas.errors import InputError


def try_lock(path):
    """Lock a file until this process ends; child processes do not inherit the lock.

    Returns:
        Whether the lock was free.

    Raises:
        OSError: the file system has no locks.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)  # stays open, and locked, while the process lives
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    return True


def hold_lock(path):
    """Hold the lock of a study, so that one Snakemake at a time runs it.

    Raises:
        InputError: another live process holds it, or the file system has no locks.
    """
    try:
        locked = try_lock(path)
    except OSError as error:
        raise InputError(
            f"{path}: this file system has no locks ({error.strerror}); run in a folder on one that has them"
        ) from None
    if not locked:
        raise InputError(
            f"another snakemake is running the study {Path(path).stem} in this folder; wait for it, or end it"
        )
