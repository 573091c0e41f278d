"""Digests of the contents of the files that a study starts from; they are parameters of jobs.

Snakemake compares the times of input files. It does not see a file that was replaced by an older one, nor an image that
was moved to another class folder, nor an edited Python module that builds a network. Its digest changes with each of these.
"""

import hashlib
import json
import os
from pathlib import Path

from transfer_atlas.errors import InputError
from transfer_atlas.store.files import save_text
from transfer_atlas.study.code import imported_names, meaning_of
from transfer_atlas.study.sources import image_files

IMAGE_CONTENTS = "image_contents.json"

BLOCK = 2**16
BLOCKS = 16  # of a large file that are read


class Contents:
    """Digests of files; that of a file whose size and time are unchanged comes from a cache."""

    def __init__(self, cache):
        """Read the cache, a JSON file; one that is missing or damaged counts as empty."""
        self.cache, self.changed = Path(cache), False
        try:
            self.known = json.loads(self.cache.read_text())
        except (OSError, ValueError):
            self.known = {}

    def of_file(self, path):
        """Digest of all bytes of a file; None where there is none."""
        return self._cached(path, "file", _digest_file)

    def of_large_file(self, path):
        """Digest of the size of a file and of BLOCKS blocks spread over it; None where there is none."""
        return self._cached(path, "shard", _digest_shard)

    def of_files(self, paths):
        """One digest of the names and bytes of several files."""
        return _join(f"{path} {self.of_file(path)}" for path in paths)

    def of_images(self, files):
        """Digest of the files or the folder of a split; None where one is missing.

        Of a Parquet or tar file as `of_large_file`; of a folder the name and size of every file below it
        (benchmarks/image_listing.py).
        """
        parts = [_digest_folder(path) if Path(path).is_dir() else self.of_large_file(path) for path in files]
        return None if None in parts else _join(parts)

    def save(self):
        """Write the cache if it changed."""
        if self.changed:
            save_text(self.cache, json.dumps(self.known))

    def _cached(self, path, kind, digest):
        try:
            found = Path(path).stat()
        except OSError:
            return None
        key, seen = f"{kind} {path}", [found.st_size, found.st_mtime_ns, found.st_ctime_ns]
        known = self.known.get(key)
        if known is None or known[0] != seen:
            known = self.known[key] = [seen, digest(path, found.st_size)]
            self.changed = True
        return known[1]


def image_contents(contents, images, results, is_main):
    """Digest of the images of the splits train and evaluation.

    Where the images are not there, as in a copy of the results alone, it is what the results folder remembers; so it is in
    the processes of jobs, which need not read all images again.

    Args:
        contents: Contents.
        images: config section `images`.
        results: results folder of the study.
        is_main: whether this is the process that plans the study.
    """
    remembered = Path(results) / IMAGE_CONTENTS
    known = json.loads(remembered.read_text()) if remembered.exists() else {}
    if is_main:
        for split in ("train", "evaluation"):
            try:
                files = image_files(images, split)
            except InputError:
                continue  # a dry run needs no images; a run reports it before its first job
            if split == "evaluation" and images["evaluation_labels"]:
                files = [*files, str(Path(images["root"]) / images["evaluation_labels"])]
            known[split] = contents.of_images(files) or known.get(split)
    return {split: known.get(split) for split in ("train", "evaluation")}


def content_of_split(image_contents, images, split):
    """Digest of the images of any split; transfer images and held-out evaluation images are training images."""
    own = split == "evaluation" and not images["held_out"]
    return image_contents["evaluation" if own else "train"]


def save_image_contents(results, image_contents):
    """Let the results folder remember the digests of `image_contents`."""
    save_text(Path(results) / IMAGE_CONTENTS, json.dumps(image_contents) + "\n")


def module_digest(architecture, folder="."):
    """Digest of the user's own module of a network `package.module:name`, and of the user's modules that it imports.

    Args:
        architecture: of a sheet row that names a callable.
        folder: working directory of the study, from which modules are imported.

    Returns:
        16 hex digits, which comments and docstrings do not change; None for the module of an installed package.
    """
    open_, found = [architecture.split(":")[0]], {}
    while open_:
        name = open_.pop()
        path = _module_file(name, folder)
        if path is not None and path not in found:
            try:
                found[path] = meaning_of(path)
                open_ += imported_names(path, name)
            except (SyntaxError, UnicodeDecodeError):  # reported by the job that builds the network
                found[path] = path.read_bytes()
    return _join(hashlib.blake2b(found[path]).hexdigest() for path in sorted(found)) if found else None


def _module_file(name, folder):
    base = Path(folder).resolve().joinpath(*name.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def _digest_file(path, size):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()


def _digest_shard(path, size):
    digest = hashlib.blake2b(str(size).encode(), digest_size=8)
    with open(path, "rb") as file:
        for number in range(BLOCKS):
            file.seek(max(0, size - BLOCK) * number // (BLOCKS - 1))
            digest.update(file.read(BLOCK))
    return digest.hexdigest()


def _digest_folder(folder):
    digest = hashlib.blake2b(digest_size=8)
    for path, folders, files in os.walk(folder, followlinks=True):
        folders.sort()
        digest.update(f"{os.path.relpath(path, folder)}\n".encode())
        for name in sorted(files):
            try:
                size = os.stat(os.path.join(path, name)).st_size  # noqa: PTH116, PTH118 (a Path costs more than the stat)
            except OSError:
                size = -1
            digest.update(os.fsencode(f"{name} {size}\n"))
    return digest.hexdigest()


def _join(parts):
    return hashlib.blake2b("\n".join(map(str, parts)).encode(), digest_size=8).hexdigest()
