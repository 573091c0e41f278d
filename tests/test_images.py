"""Data sets, stratified subsets and views."""

import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import FASHION
from PIL import Image

from transfer_atlas.errors import InputError
from transfer_atlas.images.index import index_images, read_index, stratified_subset
from transfer_atlas.images.parquet_shards import ParquetShards
from transfer_atlas.images.pixels import PassingPixels, decode_images, open_pixels
from transfer_atlas.store.arrays import save_array
from transfer_atlas.study.sources import image_files

GEOMETRY = {"input_size": 32, "crop_pct": 1.0, "crop_mode": "center", "interpolation": "bilinear"}


def write_dataset(path, labels, images=None, names=None):
    metadata = {}
    if names:
        metadata["huggingface"] = json.dumps({"info": {"features": {"label": {"names": names}}}})
    images = images or [b"x"] * len(labels)
    table = pa.table({"image": [{"bytes": image, "path": None} for image in images], "label": labels})
    pq.write_table(table.replace_schema_metadata(metadata), path)
    return str(path)


def parquet(*files, label="label"):
    return ParquetShards([str(file) for file in files], "image", label)


def decode(reader, images, path):
    encoded = reader.encoded(pd.DataFrame({"row": range(images)}))
    decode_images(encoded, images, GEOMETRY, path)


def test_pixels_are_read_from_the_nodes_own_disk_on_request(tmp_path, monkeypatch):
    save_array(tmp_path / "p.npy", np.arange(5))
    monkeypatch.setenv("JOB_DISK", str(tmp_path / "scratch"))
    monkeypatch.setenv("TRANSFER_ATLAS_SCRATCH", "$JOB_DISK")
    for _ in range(2):
        assert open_pixels(tmp_path / "p.npy").tolist() == list(range(5))
    (copy,) = (tmp_path / "scratch").iterdir()
    assert open_pixels(tmp_path / "p.npy").filename == copy
    save_array(tmp_path / "p.npy", np.arange(7))  # another state is another copy
    assert open_pixels(tmp_path / "p.npy").tolist() == list(range(7))
    monkeypatch.delenv("JOB_DISK")
    with pytest.raises(InputError, match=r"TRANSFER_ATLAS_SCRATCH: \$JOB_DISK names a variable that is not set"):
        open_pixels(tmp_path / "p.npy")


def test_the_embedded_images_are_what_they_say():
    train = read_index(parquet(FASHION / "train.parquet"), "train", 10)
    test = read_index(parquet(FASHION / "test.parquet"), "evaluation", 10)
    assert train["label"].value_counts().tolist() == [800] * 10
    assert test["label"].value_counts().tolist() == [1000] * 10
    assert parquet(FASHION / "test.parquet").names[9] == "Ankle boot"
    assert test["image"].iloc[42] == "evaluation/00000042"


def test_a_label_outside_the_classes_is_named(tmp_path):
    file = write_dataset(tmp_path / "a.parquet", [0, 1, 7])
    with pytest.raises(InputError, match=r"a.parquet, row 2: label 7 is outside 0 to 2 \(images.classes: 3\)"):
        read_index(parquet(file), "train", 3)


def test_class_names_must_be_as_many_as_the_classes(tmp_path):
    file = write_dataset(tmp_path / "a.parquet", [0, 1], names=["cat", "dog", "owl"])
    with pytest.raises(InputError, match=r"column 'label': names 3 classes, but images.classes is 2"):
        read_index(parquet(file), "train", 2)


def test_a_missing_column_is_named(tmp_path):
    file = write_dataset(tmp_path / "a.parquet", [0, 1])
    with pytest.raises(InputError, match="no column 'fine_label'; it has image, label"):
        read_index(parquet(file, label="fine_label"), "train", 2)


def test_an_image_that_does_not_decode_is_named(tmp_path):
    good = pq.read_table(FASHION / "test.parquet").column("image")[0].as_py()["bytes"]
    first = write_dataset(tmp_path / "0.parquet", [0, 1], [good, good])
    second = write_dataset(tmp_path / "1.parquet", [0, 1], [good, good[:60]])
    with pytest.raises(InputError, match=r"1.parquet, row 1: image does not decode"):
        decode(parquet(first, second), 4, tmp_path / "pixels.npy")
    assert not (tmp_path / "pixels.npy").exists()


def test_a_decompression_bomb_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 100)
    with pytest.raises(InputError, match=r"test.parquet, row 0: image does not decode \(Image size"):
        decode(parquet(FASHION / "test.parquet"), 1, tmp_path / "pixels.npy")


def test_a_share_of_the_images_is_a_subset_too():
    index = pd.DataFrame({"row": range(1000), "label": np.repeat([0, 1], [500, 500])})
    assert stratified_subset(index, 0.1, 1, "images.transfer_images").equals(
        stratified_subset(index, 100, 1, "images.transfer_images")
    )


def test_only_the_wanted_rows_are_read(tmp_path):
    files = [write_dataset(tmp_path / f"{n}.parquet", [0, 1, 0], [bytes([n, i]) for i in range(3)]) for n in range(2)]
    assert list(parquet(*files).encoded(pd.DataFrame({"row": [1, 3, 5]}))) == [
        (f"{files[0]}, row 1", bytes([0, 1])),
        (f"{files[1]}, row 0", bytes([1, 0])),
        (f"{files[1]}, row 2", bytes([1, 2])),
    ]


def test_subset_is_stratified_exact_and_seeded():
    index = pd.DataFrame({"row": range(1000), "label": np.repeat([0, 1, 2], [700, 297, 3])})
    subset = stratified_subset(index, 101, 1, "images.transfer_images")
    assert subset["label"].value_counts().sort_index().tolist() == [71, 30]
    assert subset["row"].is_monotonic_increasing
    assert subset.equals(stratified_subset(index, 101, 1, "images.transfer_images"))
    assert not subset.equals(stratified_subset(index, 101, 2, "images.transfer_images"))
    with pytest.raises(
        InputError, match="transfer_images: 1001 asked for, but the training split has 1000 images to draw from"
    ):
        stratified_subset(index, 1001, 1, "images.transfer_images")


def test_held_out_images_are_training_images_that_no_transfer_sees(tmp_path):
    readers = {"train": parquet(write_dataset(tmp_path / "a.parquet", [0, 1] * 50))}
    indexes, classes = index_images(readers, 2, transfer_images=20, held_out=30, seed=0)
    assert classes["images"].tolist() == [15, 15]
    assert indexes["evaluation"]["image"].str.startswith("train/").all()
    assert not set(indexes["evaluation"]["row"]) & set(indexes["transfer"]["row"])
    with pytest.raises(InputError, match=r"images\.held_out: 81 asked for, but the training split has 80 images"):
        index_images(readers, 2, transfer_images=20, held_out=81, seed=0)


def test_held_out_images_are_read_from_the_training_files(tmp_path):
    for name in ("train", "test"):
        write_dataset(tmp_path / f"{name}.parquet", [0, 1])
    images = {"root": tmp_path, "train": "train.parquet", "evaluation": "test.parquet"}
    assert image_files({**images, "held_out": 0.1}, "evaluation") == [str(tmp_path / "train.parquet")]
    assert image_files({**images, "held_out": 0}, "evaluation") == [str(tmp_path / "test.parquet")]


@pytest.fixture
def pixels(tmp_path):
    decode(parquet(FASHION / "test.parquet"), 40, tmp_path / "p.npy")
    return open_pixels(tmp_path / "p.npy")


def test_decoded_images_equal_timms_own_evaluation_transform(pixels):
    import io

    import torch
    from PIL import Image
    from timm.data import create_transform

    transform = create_transform(32, interpolation="bilinear", crop_pct=1.0, mean=(0, 0, 0), std=(1, 1, 1))
    data = pq.read_table(FASHION / "test.parquet").column("image")[7].as_py()["bytes"]
    expected = transform(Image.open(io.BytesIO(data)).convert("RGB"))
    assert torch.equal(torch.from_numpy(pixels[7].copy()).permute(2, 0, 1) / 255, expected)


def test_images_decoded_in_passing_are_those_that_are_stored(tmp_path):
    """Read on where the last slice ended, and anew from anywhere else."""
    generator, encoded = np.random.default_rng(0), []
    for number in range(40):
        data = io.BytesIO()
        Image.fromarray(generator.integers(0, 256, (50, 40, 3), dtype=np.uint8)).save(data, "png")
        encoded.append((f"image {number}", data.getvalue()))
    geometry = {"input_size": 32, "crop_pct": 0.9, "crop_mode": "center", "interpolation": "bicubic"}
    decode_images(encoded, 40, geometry, tmp_path / "p.npy", threads=2)
    stored, begun = open_pixels(tmp_path / "p.npy"), []
    passing = PassingPixels(lambda first: begun.append(first) or encoded[first:], 40, geometry, threads=2)
    assert passing.shape == stored.shape
    for rows in (slice(0, 16), slice(16, 32), slice(32, 48), slice(8, 24), slice(24, 40), slice(0, 1)):
        assert np.array_equal(passing[rows], stored[rows])
    assert begun == [0, 8, 0]
