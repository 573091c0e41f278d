"""Files that appear whole or not at all."""

import errno
import os
import re
import shutil
import socket
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

from transfer_atlas.errors import InputError


@contextmanager
def atomic(path):
    """Yield a temporary path beside `path` that replaces it when the block ends well.

    What writers of the same file that were killed have left behind is removed first.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    partial = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _remove_leftovers(path):
    """Remove the partial files of `path` whose writer has died; one on another machine has: a run has one writer."""
    pattern = re.compile(re.escape(f".{path.name}.") + r"(?P<host>.+)\.(?P<process>\d+)")
    for entry in path.parent.glob(f".{path.name}.*"):
        found = pattern.fullmatch(entry.name)
        if found and not (found["host"] == socket.gethostname() and _is_alive(int(found["process"]))):
            entry.unlink(missing_ok=True)


def _is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@contextmanager
def new_array(path, dtype, shape):
    """Yield a memory-mapped array that becomes the .npy file `path` when the block ends well.

    Its blocks are allocated first: a disk that fills up later under a memory map ends the process without a word.

    Raises:
        InputError: the disk has no room for it.
    """
    with atomic(path) as partial:
        array = open_memmap(partial, mode="w+", dtype=dtype, shape=shape)
        try:
            _allocate(partial)
        except OSError as error:
            raise InputError(
                f"{path}: no room for {array.nbytes / 1e9:.2f} GB ({error.strerror}); free some disk space and run again"
            ) from None
        yield array
        array.flush()


def _allocate(path):
    """Give a sparse file its blocks, or raise OSError; where the system cannot (macOS), see whether there is room."""
    size = path.stat().st_size
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    elif shutil.disk_usage(path.parent).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def save_array(path, array):
    """Write `array` as the .npy file `path`, whole or not at all."""
    with atomic(path) as partial, open(partial, "wb") as file:
        np.save(file, array)
