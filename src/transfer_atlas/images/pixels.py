"""The decoded-image cache: one uint8 array per split and evaluation geometry, shared by all its models."""

import hashlib
import io
import os
import shutil
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from transfer_atlas.errors import InputError, one_line
from transfer_atlas.store.arrays import new_array, open_array
from transfer_atlas.store.files import LFS_POINTER, atomic

SCRATCH = "TRANSFER_ATLAS_SCRATCH"


def evaluation_transform(geometry):
    """Timm's own evaluation transform for a geometry, up to the uint8 crop: PIL image to [3, size, size]."""
    from timm.data import create_transform

    return create_transform(
        input_size=geometry["input_size"],
        crop_pct=geometry["crop_pct"],
        crop_mode=geometry["crop_mode"],
        interpolation=geometry["interpolation"],
        is_training=False,
        use_prefetcher=True,  # stops before normalisation, which differs between models of one geometry
    )


def decode_images(encoded, images, geometry, path, threads=1):
    """Decode and crop images once, for all models of a geometry.

    Args:
        encoded: iterable of (where, encoded bytes), as `encoded` of a reader gives them.
        images: number of images.
        geometry: input_size, crop_pct, crop_mode, interpolation, as in timm.
        path: .npy file to write, uint8 [images, size, size, 3].
        threads: that decode side by side; Pillow holds no lock while it does.

    Raises:
        InputError: an image that does not decode, and where it is; no room on the disk.
    """
    size = geometry["input_size"]
    with new_array(path, np.uint8, (images, size, size, 3)) as pixels:
        crops = _crops(encoded, geometry, threads)
        for number, crop in enumerate(tqdm(crops, total=images, desc="decode", mininterval=2)):
            pixels[number] = crop


def _crops(encoded, geometry, threads):
    """Yield uint8 [size, size, 3] of each image."""
    transform = evaluation_transform(geometry)

    def decode(sample):
        where, data = sample
        return np.asarray(transform(_open_image(data, where))).transpose(1, 2, 0)

    with ThreadPoolExecutor(threads) as pool:
        waiting = deque()
        for sample in encoded:
            waiting.append(pool.submit(decode, sample))
            if len(waiting) == 16 * threads:  # or the pool would read the whole data set ahead
                yield waiting.popleft().result()
        for crop in waiting:
            yield crop.result()


class PassingPixels:
    """Images that are decoded as they are looked at and kept nowhere, for a geometry that one model alone has."""

    def __init__(self, encoded, images, geometry, threads=1):
        """Read nothing yet.

        Args:
            encoded: function of the first image to an iterable of (where, encoded bytes) from there on.
            images: number of images.
            geometry: as in `decode_images`.
            threads: as in `decode_images`.
        """
        self.encoded, self.geometry, self.threads = encoded, geometry, threads
        self.shape = (images, geometry["input_size"], geometry["input_size"], 3)
        self.place, self.crops = 0, None

    def __len__(self):
        """Number of images."""
        return self.shape[0]

    def __getitem__(self, rows):
        """uint8 [rows, size, size, 3] of a slice; one that follows the last reads on, another begins anew there.

        Raises:
            InputError: an image that does not decode.
        """
        first, last, _ = rows.indices(len(self))
        if self.crops is None or first != self.place:
            self.crops = _crops(self.encoded(first), self.geometry, self.threads)
        self.place = last
        return np.stack(list(islice(self.crops, last - first)))


def _open_image(data, where):
    if data is None:
        raise InputError(f"{where}: has no bytes of an image; write the data set with its images embedded")
    if data.startswith(LFS_POINTER):
        raise InputError(f"{where}: is a pointer of Git LFS, not an image; get the files with: git lfs pull")
    try:
        image = Image.open(io.BytesIO(data))
        if image.mode.startswith("I;16") or image.mode in ("I", "F"):
            raise InputError(
                f"{where}: image has {image.mode} pixels of more than 8 bits, which timm and torchvision would cut off "
                "at 255; convert it to 8 bits"
            )
        return image.convert("RGB")
    except InputError:
        raise
    except (OSError, SyntaxError, TypeError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{where}: image does not decode ({one_line(error)}); mend or remove it") from None


def open_pixels(path):
    """Memory-map a decoded array, uint8 [images, size, size, 3]; from the node's own disk where one is named."""
    return open_array(_on_scratch(path))


def _on_scratch(path):
    """A copy of a file in the folder that $TRANSFER_ATLAS_SCRATCH names, made once; without it, the file itself.

    A variable in it means the job's own, such as '$TMPDIR', which differs from job to job.
    """
    folder = os.path.expandvars(os.environ.get(SCRATCH, ""))
    if not folder:
        return path
    if "$" in folder:
        raise InputError(f"{SCRATCH}: {folder} names a variable that is not set on this machine")
    state = Path(path).stat()
    known = f"{Path(path).resolve()} {state.st_size} {state.st_mtime_ns}"
    copy = Path(folder) / f"{hashlib.blake2b(known.encode(), digest_size=16).hexdigest()}.npy"
    if not copy.exists():
        with atomic(copy) as partial:
            shutil.copyfile(path, partial)
    return copy
