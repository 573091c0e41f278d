"""What a study is made from is known by content: every change of it is another digest, and nothing else is."""

import os
import shutil

import pytest

from transfer_atlas.study.code import meaning_of
from transfer_atlas.study.contents import Contents, content_of_split, image_contents, module_digest, save_image_contents


@pytest.fixture
def contents(tmp_path):
    return Contents(tmp_path / "cache.json")


def test_a_file_that_is_replaced_by_an_older_one_is_another(contents, tmp_path):
    path = tmp_path / "w.pth"
    path.write_bytes(b"new")
    first = contents.of_file(path)
    path.write_bytes(b"old")
    os.utime(path, (0, 0))
    assert contents.of_file(path) != first
    path.write_bytes(b"new")
    assert contents.of_file(path) == first
    assert contents.of_file(tmp_path / "none.pth") is None


def test_an_unchanged_file_is_read_once(contents, tmp_path, monkeypatch):
    path = tmp_path / "w.pth"
    path.write_bytes(b"weights")
    first = contents.of_file(path)
    contents.save()
    monkeypatch.setattr("transfer_atlas.study.contents._digest_file", lambda path, size: 1 / 0)
    assert Contents(tmp_path / "cache.json").of_file(path) == first


def folder_of_images(folder):
    for name in ("cat/1.png", "cat/2.png", "dog/3.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "cat/1.png").rename(folder / "dog/1.png"),
        lambda folder: (folder / "cat/1.png").unlink(),
        lambda folder: (folder / "cat/1.png").write_bytes(b"a larger image"),
        lambda folder: (folder / "cat/1.png").rename(folder / "cat/0.png"),
        lambda folder: (folder / "dog").rename(folder / "wolf"),
    ],
    ids=["moved", "deleted", "mended", "renamed", "class"],
)
def test_a_changed_folder_of_images_is_another(contents, tmp_path, change):
    folder = folder_of_images(tmp_path / "images")
    first = contents.of_images([folder])
    shutil.copytree(folder, tmp_path / "copy")
    assert contents.of_images([tmp_path / "copy"]) == first
    change(folder)
    assert contents.of_images([folder]) != first


def test_a_changed_shard_is_another_and_a_copy_is_not(contents, tmp_path):
    shard = tmp_path / "a.tar"
    shard.write_bytes(os.urandom(3_000_000))
    first = contents.of_images([shard])
    shutil.copyfile(shard, tmp_path / "b.tar")
    assert contents.of_images([tmp_path / "b.tar"]) == first
    with open(shard, "ab") as file:
        file.write(b"x")
    assert contents.of_images([shard]) != first


def images_section(root, **more):
    return {
        "root": str(root),
        "train": "train",
        "evaluation": "test",
        "held_out": None,
        "evaluation_labels": None,
    } | more


def test_a_label_edited_in_a_table_is_another_evaluation_split(contents, tmp_path):
    for split in ("train", "test"):
        folder_of_images(tmp_path / split)
    (tmp_path / "labels.csv").write_text("image,label\n1.png,cat\n")
    images = images_section(tmp_path, evaluation_labels="labels.csv")
    first = image_contents(contents, images, tmp_path / "results", is_main=True)
    (tmp_path / "labels.csv").write_text("image,label\n1.png,dog\n")
    second = image_contents(contents, images, tmp_path / "results", is_main=True)
    assert first["train"] == second["train"]
    assert first["evaluation"] != second["evaluation"]
    assert content_of_split(second, images, "transfer") == content_of_split(second, images, "train") == second["train"]


def test_results_without_their_images_remember_them(contents, tmp_path):
    """And so do the processes of jobs, which read no images for it."""
    for split in ("train", "test"):
        folder_of_images(tmp_path / split)
    results, images = tmp_path / "results", images_section(tmp_path)
    found = image_contents(contents, images, results, is_main=True)
    save_image_contents(results, found)
    shutil.rmtree(tmp_path / "train")
    assert image_contents(contents, images, results, is_main=True) == found
    assert image_contents(None, images, results, is_main=False) == found


def test_an_edited_module_of_the_users_own_is_another_network(tmp_path):
    (tmp_path / "my_models.py").write_text("from my_layers import Act\nimport torch\n\ndef small(): return Act()\n")
    (tmp_path / "my_layers.py").write_text("class Act: ...\n")
    (tmp_path / "other.py").write_text("")
    first = module_digest("my_models:small", tmp_path)
    (tmp_path / "other.py").write_text("x = 1\n")
    assert module_digest("my_models:small", tmp_path) == first
    (tmp_path / "my_layers.py").write_text("# a remark\nclass Act: ...\n")
    meaning_of.cache_clear()
    assert module_digest("my_models:small", tmp_path) == first
    (tmp_path / "my_layers.py").write_text("class Act: slope = 1\n")
    meaning_of.cache_clear()
    second = module_digest("my_models:small", tmp_path)
    (tmp_path / "my_models.py").write_text("from my_layers import Act\n\ndef small(): return None\n")
    meaning_of.cache_clear()
    assert len({first, second, module_digest("my_models:small", tmp_path)}) == 3
    assert module_digest("no_such_module:small", tmp_path) is None


def test_relative_imports_of_a_package_are_followed(tmp_path):
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets/__init__.py").write_text("")
    (tmp_path / "nets/small.py").write_text("from .layers import Act\nfrom . import heads\n")
    for name in ("layers", "heads"):
        (tmp_path / f"nets/{name}.py").write_text("class Act: ...\n")
    digests = {module_digest("nets.small:small", tmp_path)}
    for name in ("layers", "heads"):
        (tmp_path / f"nets/{name}.py").write_text("class Act: slope = 1\n")
        meaning_of.cache_clear()
        digests.add(module_digest("nets.small:small", tmp_path))
    assert len(digests) == 3
