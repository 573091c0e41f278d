"""Checksums of files, and the error of one that is not what was written."""

import json
import zipfile
import zlib
from pathlib import Path

from transfer_atlas.errors import DiskError, one_line

CHUNK = 2**24
NO_CHECKSUM = {"crc32": "00000000"}  # in the metadata of a safetensors file, until it is known


def damaged(path, reason):
    """The error of a file that is not what was written."""
    remove = f"python -m transfer_atlas.tools.verify {Path(path).parent}"
    return DiskError(
        f"{path}: damaged ({one_line(reason, 100)}); remove it, or all that is damaged beside it (`{remove}`), "
        "and the next run makes it again"
    )


def crc32_of(file, size):
    """CRC-32 of the first `size` bytes of an open file."""
    file.seek(0)
    checksum = 0
    while size > 0 and (chunk := file.read(min(CHUNK, size))):
        checksum, size = zlib.crc32(chunk, checksum), size - len(chunk)
    return checksum


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
