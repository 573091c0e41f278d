"""The same images through every reader: Parquet, a folder per class, a flat folder with labels, WebDataset shards."""

import io
import json
import os
import tarfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import FASHION
from PIL import Image
from timm.data import create_dataset, create_transform
from timm.data.readers import add_img_extensions

from transfer_atlas.errors import InputError
from transfer_atlas.images.index import index_images, read_index
from transfer_atlas.images.pixels import decode_images, open_pixels
from transfer_atlas.images.readers import open_images
from transfer_atlas.images.views import Views
from transfer_atlas.logits.storage import open_logits
from transfer_atlas.logits.writers import compute_logits
from transfer_atlas.zoo.build import build_model

CLASSES, IMAGES = 50, 8  # per class
GEOMETRY = {"input_size": 64, "crop_pct": 0.875, "crop_mode": "center", "interpolation": "bicubic"}
SECTION = {
    "train": "train",
    "evaluation": "val",
    "evaluation_labels": None,
    "image_column": "image",
    "label_column": "label",
    "held_out": 0,
    "class_order": None,
}
# as ImageNet has them: (mode, format, suffix)
ODD = [
    ("RGB", "JPEG", ".JPEG"),
    ("CMYK", "JPEG", ".JPEG"),
    ("L", "JPEG", ".jpg"),
    ("RGB", "PNG", ".JPEG"),  # a PNG that is called JPEG
    ("RGBA", "PNG", ".png"),
    ("P", "PNG", ".png"),
    ("RGB", "WEBP", ".webp"),
]


def encode(number, generator):
    """One image of a random size, and its file's suffix."""
    mode, kind, suffix = ODD[number % len(ODD)]
    width, height = generator.integers(30, 120, 2)
    pixels = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).resize((width * 2, height * 2)).convert(mode)
    data = io.BytesIO()
    image.save(data, kind)
    return data.getvalue(), suffix


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """The same images in every layout, in one order."""
    root, generator = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    samples = []
    for number in range(CLASSES * IMAGES):
        data, suffix = encode(number, generator)
        samples.append((f"n{number // IMAGES:08d}", f"{number:04d}{suffix}", data))
    for synset, name, data in samples:
        for folder in (root / "train" / synset, root / "val" / synset, root / "flat"):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
    (root / "val/readme.txt").write_text("no image")
    labels = pd.DataFrame({"image": [name for _, name, _ in samples], "label": [synset for synset, _, _ in samples]})
    labels.sample(frac=1, random_state=0).to_csv(root / "labels.csv", index=False)
    numbers = [int(synset[1:]) for synset, _, _ in samples]
    for part in range(2):
        here = slice(part * len(samples) // 2, (part + 1) * len(samples) // 2)
        images = [{"bytes": data, "path": name} for _, name, data in samples[here]]
        pq.write_table(pa.table({"image": images, "label": numbers[here]}), root / f"val-{part}.parquet")
        with tarfile.open(root / f"val-{part}.tar", "w") as tar:
            for (_, name, data), label in zip(samples[here], numbers[here], strict=True):
                for member, content in ((name.lower(), data), (f"{name.split('.')[0]}.cls", str(label).encode())):
                    header = tarfile.TarInfo(member)
                    header.size = len(content)
                    tar.addfile(header, io.BytesIO(content))
    return root


LAYOUTS = {
    "folders": {"evaluation": "val"},
    "flat": {"evaluation": "flat", "evaluation_labels": "labels.csv"},
    "parquet": {"evaluation": "val-*.parquet"},
    "tar": {"evaluation": "val-*.tar"},
}


def decoded(section, tmp_path, rows=slice(None)):
    reader = open_images(section, "evaluation")
    index = read_index(reader, "evaluation", CLASSES).iloc[rows]
    decode_images(reader.encoded(index), len(index), GEOMETRY, tmp_path / "p.npy", threads=3)
    return index, np.array(open_pixels(tmp_path / "p.npy"))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_what_timm_reads_from_folders(layout, shelf, tmp_path):
    index, pixels = decoded({**SECTION, **LAYOUTS[layout], "root": shelf}, tmp_path)
    add_img_extensions(".webp")  # timm passes over them
    theirs = create_dataset("", root=str(shelf / "val"))
    theirs.transform = create_transform(
        input_size=64, crop_pct=0.875, interpolation="bicubic", is_training=False, use_prefetcher=True
    )
    assert index["label"].tolist() == [label for _, label in theirs]
    np.testing.assert_array_equal(pixels, np.stack([np.asarray(image).transpose(1, 2, 0) for image, _ in theirs]))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_some_images_are_the_same_of_all(layout, shelf, tmp_path):
    section = {**SECTION, **LAYOUTS[layout], "root": shelf}
    _, pixels = decoded(section, tmp_path)
    index, some = decoded(section, tmp_path, rows=[3, 17, 18, 39])
    np.testing.assert_array_equal(some, pixels[[3, 17, 18, 39]])
    assert len(open_images(section, "evaluation")) == CLASSES * IMAGES
    assert index["file"].isna().all() == (layout in ("parquet", "tar"))


def test_a_folder_of_training_images_serves_transfer_and_held_out_images(shelf):
    section = {**SECTION, "root": shelf, "held_out": 50}
    readers = {split: open_images(section, split) for split in ("train", "evaluation")}
    indexes, classes = index_images(readers, CLASSES, transfer_images=100, held_out=50, seed=0)
    assert classes["name"].tolist() == [f"n{number:08d}" for number in range(CLASSES)]
    assert indexes["transfer"]["label"].value_counts().tolist() == [2] * CLASSES
    assert not set(indexes["transfer"]["file"]) & set(indexes["evaluation"]["file"])
    file = indexes["transfer"]["file"].iloc[0]
    assert next(open_images(section, "transfer").encoded(indexes["transfer"]))[0] == str(shelf / "train" / file)


def test_a_class_without_evaluation_images_shifts_no_other(shelf, tmp_path):
    (tmp_path / "train").symlink_to(shelf / "train")
    (tmp_path / "val").mkdir()
    for synset in ("n00000000", "n00000009"):
        (tmp_path / "val" / synset).symlink_to(shelf / "val" / synset)
    index = read_index(open_images({**SECTION, "root": tmp_path}, "evaluation"), "evaluation", CLASSES)
    assert sorted(set(index["label"])) == [0, 9]


def test_what_cannot_be_read_is_one_line(shelf, tmp_path):
    def index(**change):
        return read_index(open_images({**SECTION, "root": tmp_path, **change}, "evaluation"), "evaluation", CLASSES)

    (tmp_path / "train").symlink_to(shelf / "train")
    (tmp_path / "val/n5").mkdir(parents=True)
    with pytest.raises(InputError, match=r"val: class 'n5' is not in .*train"):
        index()
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/a.jpg").write_bytes(b"x")
    with pytest.raises(InputError, match=r"bare: no folder per class; .* give images\.evaluation_labels"):
        index(evaluation="bare")
    (tmp_path / "l.csv").write_text("image,label\nb.jpg,n00000001\n")
    with pytest.raises(InputError, match=r"l\.csv: no label for a\.jpg, one of 1 images"):
        index(evaluation="bare", evaluation_labels="l.csv")
    (tmp_path / "l.csv").write_text("image,label\na.jpg,n0000001\n")
    with pytest.raises(InputError, match=r"label 'n0000001' is no class of .*; did you mean n0000"):
        index(evaluation="bare", evaluation_labels="l.csv")
    (tmp_path / "l.csv").write_text("file,class\na.jpg,n0000001\n")
    with pytest.raises(InputError, match=r"should have columns image and label, but has file, class"):
        index(evaluation="bare", evaluation_labels="l.csv")
    with pytest.raises(InputError, match=r"2 files of kind \.csv, folder make the evaluation images"):
        index(evaluation="[lv]*")
    whole = (shelf / "val-0.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut\.tar: is no whole tar file"):
        index(evaluation="cut.tar")
    index_of_train = read_index(open_images({**SECTION, "root": shelf}, "train"), "train", CLASSES)
    gone = index_of_train.assign(file="n00000000/gone.JPEG").iloc[[0]]
    with pytest.raises(InputError, match=r"gone\.JPEG: is gone"):
        list(open_images({**SECTION, "root": shelf}, "train").encoded(gone))


def test_a_tar_file_needs_classes_and_images(tmp_path):
    image = (FASHION / "test.parquet").read_bytes()[:10]
    for name, members in {"a": {"0.jpg": image}, "b": {"0.cls": b"1"}}.items():
        with tarfile.open(tmp_path / f"{name}.tar", "w") as tar:
            for member, content in members.items():
                header = tarfile.TarInfo(member)
                header.size = len(content)
                tar.addfile(header, io.BytesIO(content))
    section = {**SECTION, "root": tmp_path}
    with pytest.raises(InputError, match=r"a\.tar, sample 0: should hold a \.cls with the number of its class"):
        open_images({**section, "train": "a.tar"}, "train").labels(2)
    with pytest.raises(InputError, match=r"b\.tar, sample 0: holds no image, but cls"):
        open_images({**section, "train": "b.tar"}, "train").labels(2)


SPATIAL = [{"name": "RandomResizedCrop", "scale": [0.5, 1.0]}, {"name": "RandomHorizontalFlip"}]


@pytest.fixture(scope="module")
def networks():
    """Two models of two input sizes."""
    kwargs = {"patch_size": 16}
    rows = [
        {"model": "test_resnet.t", "architecture": "test_resnet", "kwargs": {}, "weights": "random"},
        {"model": "test_vit.t", "architecture": "test_vit", "kwargs": kwargs, "weights": "random"},
    ]
    return {64: build_model(rows[0], CLASSES, 64), 96: build_model(rows[1], CLASSES, 96)}


def logits_through(layout, shelf, networks, folder):
    """Stored logits of two views of all images, by input size; spatial views are relative to each model's own crop."""
    reader = open_images({**SECTION, **LAYOUTS[layout], "root": shelf}, "evaluation")
    index, stored = read_index(reader, "evaluation", CLASSES), {}
    for size, model in networks.items():
        decode_images(reader.encoded(index), len(index), GEOMETRY | {"input_size": size}, folder / "p.npy")
        views = Views(open_pixels(folder / "p.npy"), index["image"], 2, SPATIAL, 0)
        compute_logits(model, views, index, CLASSES, 100, "cpu", folder / "l.npy", "m")
        stored[size] = np.array(open_logits(folder / "l.npy"))
    return stored


def test_every_layout_gives_the_same_logits_at_two_sizes(shelf, networks, tmp_path):
    expected = logits_through("folders", shelf, networks, tmp_path)
    assert {size: logits.shape for size, logits in expected.items()} == dict.fromkeys((64, 96), (2, 400, 50))
    assert not np.array_equal(expected[64][0], expected[64][1])
    for layout in ("flat", "parquet", "tar"):
        for size, logits in logits_through(layout, shelf, networks, tmp_path).items():
            np.testing.assert_array_equal(logits, expected[size], err_msg=f"{layout}, {size} pixels")


def small_folder(root, classes, suffix=".png"):
    """One grey image per class."""
    for number, name in enumerate(classes):
        (root / name).mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 10 * number).save(root / name / "0.png")
        (root / name / "0.png").rename(root / name / f"0{suffix}")


@pytest.mark.parametrize(
    ("classes", "text", "natural"),
    [
        ([str(n) for n in range(12)], ["0", "1", "10"], ["0", "1", "2"]),
        (["apple", "Banana", "cherry", "Date"], ["Banana", "Date", "apple"], ["apple", "Banana", "cherry"]),
    ],
)
def test_class_folders_that_torchvision_and_timm_number_differently_are_asked_about(tmp_path, classes, text, natural):
    for split in ("train", "val"):
        small_folder(tmp_path / split, classes)
    section = SECTION | {"root": str(tmp_path)}
    with pytest.raises(InputError) as error:
        read_index(open_images(section, "evaluation"), "evaluation", len(classes))
    for order in (text, natural):
        assert f"({', '.join(order)}, ...)" in str(error.value)
    assert "images.class_order: text or natural" in str(error.value)
    for order, first in (("text", text), ("natural", natural)):
        reader = open_images(section | {"class_order": order}, "evaluation")
        assert reader.names[:3] == first
        index = read_index(reader, "evaluation", len(classes))
        named = dict(zip(index["label"], (file.split("/")[0] for file in index["file"]), strict=True))
        assert [named[number] for number in range(3)] == first
    timm = create_dataset("", root=str(tmp_path / "val")).reader.class_to_idx
    assert sorted(timm, key=timm.get) == open_images(section | {"class_order": "natural"}, "train").names


def test_linked_folders_are_followed(tmp_path):
    """As torchvision and timm do."""
    for split in ("train", "val", "other"):
        small_folder(tmp_path / split, "ab")
    for name in "ab":
        (tmp_path / "val" / name / "more").symlink_to(tmp_path / "other" / name)
    index = read_index(open_images(SECTION | {"root": str(tmp_path)}, "evaluation"), "evaluation", 2)
    assert index["label"].tolist() == [0, 0, 1, 1]


def test_a_class_whose_files_are_no_images_is_refused(tmp_path):
    for split in ("train", "val"):
        small_folder(tmp_path / split, "ab")
    (tmp_path / "val/a/0.png").rename(tmp_path / "val/a/0.raw_photo")
    with pytest.raises(InputError, match=r"val/a: 1 files, but none with the suffix of an image .*\(0\.raw_photo\)"):
        read_index(open_images(SECTION | {"root": str(tmp_path)}, "evaluation"), "evaluation", 2)


def write_classes(path, labels, names):
    features = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
    images = [{"bytes": b"", "path": "x"}] * len(labels)
    table = pa.table({"image": images, "label": labels})
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(features)}), path)


def test_labels_are_numbered_as_the_training_images_name_their_classes(tmp_path):
    write_classes(tmp_path / "t.parquet", [0, 1, 2], ["a", "b", "c"])
    write_classes(tmp_path / "v.parquet", [0, 1, 2], ["c", "b", "a"])
    section = SECTION | {"root": str(tmp_path), "train": "t.parquet", "evaluation": "v.parquet"}
    assert open_images(section, "evaluation").labels(3).tolist() == [2, 1, 0]
    write_classes(tmp_path / "v.parquet", [0, 1, 2], ["c", "b", "A"])
    with pytest.raises(InputError, match=r"v\.parquet: class 'A' is not in .*t\.parquet"):
        open_images(section, "evaluation").labels(3)


def write_tar(path, members):
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize(
    ("members", "image"),
    [
        (["0.depth.png", "0.png", "0.cls"], b"0.png"),
        (["0.cls", "0.rgb.png"], b"0.rgb.png"),
        (["0.jpg", "0.png", "0.cls"], "sample 0: holds several images, jpg, png"),
        (["0.a.png", "0.b.png", "0.cls"], "sample 0: holds several images, a.png, b.png"),
        (["x.png", "x.cls", "x.png", "x.cls"], r"sample x: stands there twice \(\.png\)"),
    ],
)
def test_the_image_of_a_sample_is_the_one_that_its_suffix_names(tmp_path, members, image):
    write_tar(tmp_path / "t.tar", [(name, b"0" if name.endswith("cls") else name.encode()) for name in members])
    section = SECTION | {"root": str(tmp_path), "train": "t.tar", "evaluation": "t.tar"}
    reader = open_images(section, "train")
    if isinstance(image, str):
        with pytest.raises(InputError, match=image):
            list(reader.encoded(pd.DataFrame({"row": [0]})))
    else:
        assert [data for _, data in reader.encoded(pd.DataFrame({"row": [0]}))] == [image]


def test_hidden_members_of_a_tar_file_are_passed_over(tmp_path):
    write_tar(tmp_path / "t.tar", [("._0.png", b"\0"), ("0.png", b"image"), ("._0.cls", b"\0"), ("0.cls", b"1")])
    section = SECTION | {"root": str(tmp_path), "train": "t.tar", "evaluation": "t.tar"}
    assert open_images(section, "train").labels(2).tolist() == [1]


def test_an_image_of_16_bits_is_refused(tmp_path):
    data = io.BytesIO()
    Image.fromarray(np.full((40, 40), 40_000, np.uint16)).save(data, "PNG")
    with pytest.raises(InputError, match="x: image has I;16 pixels of more than 8 bits"):
        decode_images([("x", data.getvalue())], 1, GEOMETRY, tmp_path / "p.npy", 1)


LABELS = "image,label\n0.png,NA\n1.png,None\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (LABELS, [0, 1]),
        ("\ufeff" + LABELS, [0, 1]),
        (LABELS.replace(",", "\t"), [0, 1]),
        (LABELS.replace(",", " , "), [0, 1]),
        (LABELS + "0.png,NA\n", r"labels\.csv, line 4: image '0\.png' stands there twice"),
        (LABELS.replace("NA", ""), r"labels\.csv, line 2: image '0\.png' has no label"),
        (LABELS.replace("1.png,None\n", ""), r"labels\.csv: no label for 1\.png, one of 1 images"),
        (LABELS.replace("label", "class"), "should have columns image and label, but has image, class"),
        (None, r"labels\.csv: cannot be read as the table of images\.evaluation_labels \(.*No such file"),
    ],
    ids=["names", "bom", "tab", "blanks", "twice", "empty", "missing", "column", "absent"],
)
def test_a_table_of_labels_is_read_as_people_write_it(tmp_path, text, found):
    small_folder(tmp_path / "train", ["NA", "None"])
    (tmp_path / "val").mkdir()
    for number in range(2):
        Image.new("L", (8, 8)).save(tmp_path / f"val/{number}.png")
    if text is not None:
        (tmp_path / "labels.csv").write_text(text)
    reader = open_images(SECTION | {"root": str(tmp_path), "evaluation_labels": "labels.csv"}, "evaluation")
    if isinstance(found, list):
        assert read_index(reader, "evaluation", 2)["label"].tolist() == found
    else:
        with pytest.raises(InputError, match=found):
            read_index(reader, "evaluation", 2)


def test_parquet_columns_of_other_kinds(tmp_path):
    """Plain bytes are images; lists of labels, and paths without bytes, have no right reading."""
    section = SECTION | {"root": str(tmp_path), "train": "t.parquet", "evaluation": "t.parquet"}
    pq.write_table(pa.table({"image": [b"one", b"two"], "label": [0, 1]}), tmp_path / "t.parquet")
    reader = open_images(section, "train")
    assert [data for _, data in reader.encoded(pd.DataFrame({"row": [0, 1]}))] == [b"one", b"two"]
    pq.write_table(pa.table({"image": [b"one"], "label": [[0]]}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"column 'label' holds list<.*>, not one class per image"):
        open_images(section, "train").labels(2)
    with pytest.raises(InputError, match="x: has no bytes of an image; write the data set with its images embedded"):
        decode_images([("x", None)], 1, GEOMETRY, tmp_path / "p.npy", 1)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4567\n"


@pytest.mark.parametrize("suffix", [".parquet", ".tar"])
def test_a_pointer_of_git_lfs_says_how_to_get_the_file(tmp_path, suffix):
    (tmp_path / f"t{suffix}").write_bytes(POINTER)
    section = SECTION | {"root": str(tmp_path), "train": f"t{suffix}", "evaluation": f"t{suffix}"}
    with pytest.raises(
        InputError, match=rf"t\{suffix}: is a pointer of Git LFS, not the file itself; get it with: git lfs"
    ):
        open_images(section, "train")
    with pytest.raises(InputError, match="x: is a pointer of Git LFS, not an image"):
        decode_images([("x", POINTER)], 1, GEOMETRY, tmp_path / "p.npy", 1)


def test_a_file_name_that_is_not_utf8_is_named(tmp_path):
    for split in ("train", "val"):
        small_folder(tmp_path / split, "ab")
    (tmp_path / "val/a/0.png").rename(os.fsdecode(os.fsencode(tmp_path / "val/a") + b"/caf\xe9.png"))
    with pytest.raises(InputError, match=r"the file name b'a/caf\\xe9\.png' is not UTF-8; rename the file"):
        read_index(open_images(SECTION | {"root": str(tmp_path)}, "evaluation"), "evaluation", 2)


def test_a_truncated_image_is_named(tmp_path):
    """As reported for torchvision in issue 138."""
    data = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)).save(data, "JPEG")
    with pytest.raises(
        InputError, match=r"a\.jpg: image does not decode \(image file is truncated .*mend or remove it"
    ):
        decode_images([("a.jpg", data.getvalue()[:-500])], 1, GEOMETRY, tmp_path / "p.npy", 1)


def test_labels_that_count_from_1_are_refused(tmp_path):
    """A label of 1,000 among 1,000 classes ends other tools in an assertion of the GPU."""
    pq.write_table(pa.table({"image": [b"", b""], "label": [1, 2]}), tmp_path / "t.parquet")
    section = SECTION | {"root": str(tmp_path), "train": "t.parquet", "evaluation": "t.parquet"}
    with pytest.raises(InputError, match=r"t\.parquet, row 1: label 2 is outside 0 to 1 \(images\.classes: 2\)"):
        open_images(section, "train").labels(2)


def test_the_orientation_in_a_photographs_metadata_is_left_alone(tmp_path):
    """As timm and torchvision do, and unlike the image feature of datasets."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    crops = []
    for orientation in (None, 6):
        image, data = Image.fromarray(pixels), io.BytesIO()
        exif = image.getexif()
        if orientation:
            exif[0x0112] = orientation
        image.save(data, "PNG", exif=exif)
        path = tmp_path / f"{orientation}.npy"
        decode_images([("x", data.getvalue())], 1, GEOMETRY | {"crop_pct": 1.0}, path, 1)
        crops.append(np.array(open_pixels(path)))
    assert (crops[0] == crops[1]).all()
