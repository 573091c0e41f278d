"""Arrays in .npy files that appear whole or not at all, and say when they are damaged."""

import errno
import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

from transfer_atlas.errors import DiskError, InputError
from transfer_atlas.store.checksums import crc32_of, damaged
from transfer_atlas.store.files import atomic

# behind the array of an .npy file, where numpy does not look
TRAILER = re.compile(rb"crc32:([0-9a-f]{8})")
TRAILER_BYTES = 14


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


@contextmanager
def rows_writer(path, dtype, shape):
    """Yield a function that appends rows to an array; it becomes the .npy file `path` when the block ends well."""
    with atomic(path) as partial, open(partial, "wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": tuple(shape)}
        )
        yield lambda rows: file.write(np.ascontiguousarray(rows, dtype).data)


class StoredArray:
    """An array in an .npy file whose parts are copied into memory when they are asked for, or written where they are set.

    A memory map of the whole file would count as memory of the process.

    Attributes:
        dtype, shape: as of an array.
    """

    def __init__(self, path, dtype=None, shape=None):
        """Open the file, or make it anew where `dtype` and `shape` are given."""
        self._path = path
        array = np.load(path, mmap_mode="r") if shape is None else open_memmap(path, "w+", dtype, shape)
        self.dtype, self.shape = array.dtype, array.shape

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, key):
        return np.array(np.load(self._path, mmap_mode="r")[key])

    def __setitem__(self, key, values):
        np.load(self._path, mmap_mode="r+")[key] = values


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


def _append_checksum(path):
    with open(path, "r+b") as file:
        checksum = crc32_of(file, path.stat().st_size)
        file.seek(0, os.SEEK_END)
        file.write(b"crc32:%08x" % checksum)
