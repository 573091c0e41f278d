"""The reader of a split, by what its files are.

Each reader lists its images in one fixed order (`labels`, `names`, `files`), and reads some of them again (`encoded`).
"""

from pathlib import Path

from transfer_atlas.errors import InputError
from transfer_atlas.images.image_folder import ImageFolder
from transfer_atlas.images.parquet_shards import ParquetShards
from transfer_atlas.images.tar_shards import TarShards
from transfer_atlas.study.sources import image_files


def open_images(images, split):
    """The reader of one split.

    Args:
        images: config section `images`.
        split: train, transfer or evaluation.

    Raises:
        InputError: no file matches, or files of different kinds do.
    """
    files = image_files(images, split)
    kinds = sorted({"folder" if Path(file).is_dir() else Path(file).suffix for file in files})
    if kinds == ["folder"] and len(files) == 1:
        train = image_files(images, "train")[0]
        flat = images["evaluation_labels"] if split == "evaluation" and not images["held_out"] else None
        return ImageFolder(files[0], train, flat and Path(images["root"]) / flat, images["class_order"])
    if kinds == [".tar"]:
        return TarShards(files)
    if kinds == [".parquet"]:
        train = next((file for file in image_files(images, "train") if file.endswith(".parquet")), None)
        return ParquetShards(files, images["image_column"], images["label_column"], train)
    raise InputError(
        f"images: {len(files)} files of kind {', '.join(kinds)} make the {split} images; should be .parquet files, .tar files or one folder"
    )
