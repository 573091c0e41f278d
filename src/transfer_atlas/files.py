"""Files that appear whole or not at all, and arrays and weights that say when they are damaged."""

import errno
import json
import os
import re
import shutil
import socket
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

from transfer_atlas.errors import DiskError, InputError, one_line

CHUNK = 2**24
# behind the array of an .npy file, where numpy does not look
TRAILER = re.compile(rb"crc32:([0-9a-f]{8})")
TRAILER_BYTES = 14
NO_CHECKSUM = {"crc32": "00000000"}  # in the metadata of a safetensors file, until it is known


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


@contextmanager
def new_array(path, dtype, shape):
    """Yield a memory-mapped array that becomes the .npy file `path` when the block ends well.

    Its blocks are allocated first: a disk that fills up later under a memory map ends the process without a word.

    Raises:
        DiskError: the disk has no room for it.
    """
    with atomic(path) as partial:
        array = _create_array(path, partial, dtype, shape)
        yield array
        array.flush()
        _append_checksum(partial)


@contextmanager
def continued_array(path, begun, dtype, shape):
    """As `new_array`, but in the file `begun`, which stays when the block is left early, to go on from.

    Yields:
        (array, fresh): `fresh` where there was none of that dtype and shape, so that its values mean nothing.

    Raises:
        DiskError: as in `new_array`.
    """
    begun.parent.mkdir(parents=True, exist_ok=True)
    array = _reopen_array(begun, dtype, shape)
    fresh = array is None
    if fresh:
        array = _create_array(path, begun, dtype, shape)
    yield array, fresh
    array.flush()
    _append_checksum(begun)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    begun.replace(path)


def _reopen_array(path, dtype, shape):
    try:
        array = np.load(path, mmap_mode="r+")
    except (OSError, EOFError, ValueError):
        return None
    if (array.dtype, array.shape) != (np.dtype(dtype), shape):
        return None
    os.truncate(path, array.offset + array.nbytes)  # the checksum, where the last writer came that far
    return array


def _create_array(path, partial, dtype, shape):
    """An array in the file `partial`, which will be `path`, with all its blocks."""
    array = open_memmap(partial, mode="w+", dtype=dtype, shape=shape)
    try:
        _allocate(partial)
    except OSError as error:
        partial.unlink()
        raise DiskError(
            f"{path}: no room for {array.nbytes / 1e9:.2f} GB ({error.strerror}); free some disk space and run again"
        ) from None
    return array


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
    with new_array(path, array.dtype, array.shape) as stored:
        stored[...] = array


def save_text(path, text):
    """Write a text file, whole or not at all."""
    with atomic(path) as partial:
        partial.write_text(text)


def open_array(path):
    """Memory-map an .npy file that `new_array` or `save_array` wrote, after reading it once against its checksum.

    Raises:
        InputError: no such file, or it is damaged (DiskError).
    """
    try:
        with open(path, "rb") as file:
            file.seek(-TRAILER_BYTES, os.SEEK_END)
            end, written = file.tell(), TRAILER.fullmatch(file.read())
            if written and int(written[1], 16) != crc32_of(file, end):
                raise damaged(path, "its checksum is another")
        array = np.load(path, mmap_mode="r")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run the workflow, which makes it") from None
    except (OSError, EOFError) as error:
        raise damaged(path, error) from None
    except ValueError as error:
        raise error if isinstance(error, InputError) else damaged(path, error) from None
    # arrays of the first versions end with their data
    if not written and array.offset + array.nbytes != end + TRAILER_BYTES:
        raise damaged(path, "its end is missing")
    return array


def with_checksum(weights):
    """The bytes of a safetensors file that was serialised with the metadata NO_CHECKSUM, with its CRC-32 in it."""
    return weights.replace(_field(NO_CHECKSUM["crc32"]), _field(f"{zlib.crc32(weights):08x}"), 1)


def check_weights(path):
    """Read a safetensors file against the checksum in its metadata; other files, and those without, pass.

    Raises:
        DiskError: it is damaged.
    """
    if Path(path).suffix != ".safetensors":
        return
    weights = Path(path).read_bytes()
    header = weights[8 : 8 + int.from_bytes(weights[:8], "little")]
    try:
        written = json.loads(header).get("__metadata__", {}).get("crc32")
    except ValueError as error:
        raise damaged(path, error) from None
    if written and with_checksum(weights.replace(_field(written), _field(NO_CHECKSUM["crc32"]), 1)) != weights:
        raise damaged(path, "its checksum is another")


def check_zip(path):
    """Read a zip file, which is what torch.save writes, against the checksums in it.

    Raises:
        DiskError: it is damaged.
    """
    try:
        with zipfile.ZipFile(path) as file:
            part = file.testzip()
    except FileNotFoundError:
        raise
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, ValueError, zlib.error) as error:
        raise damaged(path, error) from None
    if part is not None:
        raise damaged(path, f"the checksum of {part} is another")


def _field(checksum):
    return f'"crc32":"{checksum}"'.encode()


def _append_checksum(path):
    with open(path, "r+b") as file:
        checksum = crc32_of(file, path.stat().st_size)
        file.seek(0, os.SEEK_END)
        file.write(b"crc32:%08x" % checksum)


def crc32_of(file, size):
    """CRC-32 of the first `size` bytes of an open file."""
    file.seek(0)
    checksum = 0
    while size > 0 and (chunk := file.read(min(CHUNK, size))):
        checksum, size = zlib.crc32(chunk, checksum), size - len(chunk)
    return checksum


def damaged(path, reason):
    """The error of a file that is not what was written."""
    return DiskError(
        f"{path}: damaged ({one_line(reason, 100)}); `make verify` removes what is damaged, and the next run makes it again"
    )
