"""Files that appear whole or not at all."""

import errno
import os
import re
import socket
from contextlib import contextmanager
from pathlib import Path

from transfer_atlas.errors import DiskError, InputError


@contextmanager
def atomic(path):
    """Yield a temporary path beside `path` that replaces it when the block ends well.

    What writers of the same file that were killed have left behind is removed first.

    Raises:
        DiskError: the disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    partial = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}")
    try:
        yield partial
        partial.replace(path)
    except (OSError, RuntimeError) as error:
        full = _full_disk(error)
        if full is None:
            raise
        raise DiskError(f"{path}: no room on the disk ({full.strerror}); free some and run again") from None
    finally:
        partial.unlink(missing_ok=True)


LFS_POINTER = b"version https://git-lfs"


def refuse_lfs_pointer(path):
    """Raise InputError where a file is the pointer that Git LFS leaves in place of one that was not downloaded."""
    with open(path, "rb") as file:
        if file.read(len(LFS_POINTER)) == LFS_POINTER:
            raise InputError(f"{path}: is a pointer of Git LFS, not the file itself; get it with: git lfs pull")


def _full_disk(error):
    """The OSError that says so, which torch raises another error on top of; None where it is something else."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return error
        error = error.__context__
    return None


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


def save_text(path, text):
    """Write a text file, whole or not at all."""
    with atomic(path) as partial:
        partial.write_text(text)
