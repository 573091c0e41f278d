"""Deterministic augmented views of images."""

import hashlib

import numpy as np

from transfer_atlas.errors import InputError

KEPT_BYTES = 2**29  # of augmented views in memory


def view_seed(seed, image, view):
    """Seed of one augmented view: a pure function of study seed, image id and view number."""
    digest = hashlib.blake2b(f"{seed}/{image}/{view}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def make_view(pixels, images, view, transforms, seed):
    """Augment decoded images; the same call gives the same pixels on any machine and with any workers.

    Args:
        pixels: uint8 [images, height, width, 3], the evaluation crops, which are view 0.
        images: ids of the images.
        view: number of the view; 0 returns `pixels` as it is.
        transforms: list of {name, probability, **arguments} of torchvision.transforms.v2, applied in order, each
            with its probability or always.
        seed: seed of the study.

    Returns:
        uint8 [images, height, width, 3].

    Raises:
        InputError: a transform refuses its arguments or changes the size of the image.
    """
    if view == 0:
        return pixels
    import torch

    augment = _compose(transforms)
    augmented = np.empty_like(pixels)
    with torch.random.fork_rng(devices=[]):
        for number, image in enumerate(images):
            torch.manual_seed(view_seed(seed, image, view))
            changed = augment(torch.from_numpy(np.array(pixels[number])).permute(2, 0, 1))
            if changed.shape[1:] != pixels.shape[1:3]:
                raise InputError(
                    f"views.transforms: change the size of the images to {tuple(changed.shape[1:])}, but it must stay {pixels.shape[1:3]}"
                )
            augmented[number] = changed.permute(1, 2, 0).numpy()
    return augmented


class Views:
    """All views of a split, made batch by batch: memory grows neither with images nor with views.

    Where the augmented views of the whole split are small they are made once and kept, to the same pixels.
    """

    def __init__(self, pixels, images, count, transforms, seed):
        """Arguments as in `make_view`; `count` views, of which view 0 is `pixels`."""
        self.pixels, self.images, self.count = pixels, np.asarray(images), count
        self.transforms, self.seed = transforms, seed
        self._kept = {} if (count - 1) * pixels.nbytes <= KEPT_BYTES else None

    def __len__(self):
        """Number of views."""
        return self.count

    def batch(self, view, rows):
        """Pixels of some images in one view, uint8 [rows, size, size, 3].

        Args:
            view: number of the view.
            rows: slice, or int [rows].
        """
        if view == 0:
            return np.array(self.pixels[rows])
        if self._kept is None:
            return make_view(np.array(self.pixels[rows]), self.images[rows], view, self.transforms, self.seed)
        if view not in self._kept:
            self._kept[view] = make_view(self.pixels, self.images, view, self.transforms, self.seed)
        return self._kept[view][rows]


def _compose(transforms):
    from torchvision.transforms import v2

    steps = []
    for transform in transforms:
        arguments = {key: value for key, value in transform.items() if key not in ("name", "probability")}
        try:
            step = getattr(v2, transform["name"])(**arguments)
        except (TypeError, ValueError) as error:
            raise InputError(f"views.transforms: {transform['name']} refuses {arguments}: {error}") from None
        steps.append(v2.RandomApply([step], transform["probability"]) if "probability" in transform else step)
    return v2.Compose(steps or [v2.Identity()])
