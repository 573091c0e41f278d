"""Tables keep their schema and provenance, and appear whole or not at all."""

import os
import socket
import subprocess

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import ROOT

from transfer_atlas.errors import InputError
from transfer_atlas.schemas.tables import SCHEMAS
from transfer_atlas.store.arrays import new_array, save_array
from transfer_atlas.store.checkpoint import Checkpoint
from transfer_atlas.store.files import atomic
from transfer_atlas.store.provenance import Provenance
from transfer_atlas.store.tables import (
    exclusion,
    fingerprint,
    gather,
    read_metadata,
    read_table,
    write_excluded,
    write_table,
)
from transfer_atlas.tools.documentation import describe_tables
from transfer_atlas.zoo.weights import save_weights


@pytest.mark.parametrize("table", SCHEMAS)
def test_an_empty_table_keeps_its_schema(table, tmp_path):
    frame = SCHEMAS[table].empty_table().to_pandas()
    write_table(frame, table, tmp_path / "t.parquet")
    assert pq.read_schema(tmp_path / "t.parquet").equals(SCHEMAS[table])
    assert list(read_table(tmp_path / "t.parquet").columns) == SCHEMAS[table].names


def test_every_column_is_described_and_the_docs_are_up_to_date():
    assert all(field.metadata[b"description"] for schema in SCHEMAS.values() for field in schema)
    assert (ROOT / "docs/results.md").read_text() == describe_tables()


@pytest.mark.parametrize("table", ["complementarity", "transfers"])
def test_values_round_trip_and_bytes_repeat(table, random_study, tmp_path):
    for name in ("a", "b"):
        write_table(random_study[table], table, tmp_path / name, {"seconds": 1})
    back = read_table(tmp_path / "a")
    columns = [column for column in back if not column.startswith("epoch_")]
    written = random_study[table][columns].astype(back[columns].dtypes)
    pd.testing.assert_frame_equal(back[columns], written)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_gather_keeps_the_order_and_adds_the_cost(random_study, tmp_path):
    rows = random_study["transfers"]
    paths = [tmp_path / f"{n}.parquet" for n in (2, 0, 1)]
    for number, path in zip((2, 0, 1), paths, strict=True):
        write_table(rows.iloc[[number]], "transfers", path, {"seconds": 1.5})
    frame, cost = gather(paths, "transfers")
    assert frame["teacher"].tolist() == rows["teacher"].iloc[[2, 0, 1]].tolist()
    assert cost == {"files": 3, "seconds_of_files": 4.5}


def test_provenance_says_what_made_a_table(random_study, tmp_path):
    write_table(random_study["transfers"], "transfers", tmp_path / "t.parquet", Provenance(epochs=5).record("cpu"))
    metadata = read_metadata(tmp_path / "t.parquet")
    assert metadata["table"] == "transfers"
    assert metadata["recipe"] == {"epochs": 5}
    assert metadata["device"] == "cpu"
    assert {"torch", "timm", "python", "transfer-atlas"} <= set(metadata["versions"])
    assert metadata["peak_memory_mb"] > 10


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "t"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


def test_what_is_no_table_is_refused_in_one_line(tmp_path):
    with pytest.raises(InputError, match=r"make it with: snakemake --cores 2 .*t\.parquet --configfile <your study's"):
        read_table(tmp_path / "t.parquet")
    (tmp_path / "config.yaml").touch()
    with pytest.raises(InputError, match=r"--configfile .*config\.yaml$"):
        read_table(tmp_path / "t.parquet")
    (tmp_path / "t.parquet").write_text("x")
    with pytest.raises(InputError, match="damaged"):
        read_table(tmp_path / "t.parquet")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match="was not written by transfer-atlas"):
        read_table(tmp_path / "t.parquet")


def test_a_fingerprint_knows_ids_labels_and_their_order():
    images, labels = ["a", "b"], [0, 1]
    same = fingerprint(pd.Series(images), np.array(labels, np.int32))
    assert same == fingerprint(images, labels)
    assert (
        len({same, fingerprint(["a", "c"], labels), fingerprint(images, [1, 1]), fingerprint(["b", "a"], [1, 0])}) == 4
    )


def test_an_excluded_model_has_no_rows_but_a_reason(tmp_path):
    write_excluded("predictions", tmp_path / "p.parquet", "logits of image 3 are not finite")
    assert exclusion(tmp_path / "p.parquet") == "logits of image 3 are not finite"
    assert len(read_table(tmp_path / "p.parquet")) == 0


def test_what_killed_writers_left_behind_is_removed(tmp_path):
    path = tmp_path / "t.npy"
    here = socket.gethostname()
    dead = subprocess.Popen(["true"])
    dead.wait()
    for name in (f".t.npy.{here}.{dead.pid}", ".t.npy.elsewhere.7", f".t.npy.{here}.{os.getppid()}", ".other.npy.a.7"):
        (tmp_path / name).touch()
    save_array(path, np.zeros(3))
    assert {file.name for file in tmp_path.iterdir()} == {"t.npy", f".t.npy.{here}.{os.getppid()}", ".other.npy.a.7"}


def write_noise(path, noise):
    names = {name: "a" for name in ("example", "student", "teacher")}
    counts = {name: 0 for name in ("class", "images", "flips")}
    write_table(pd.DataFrame({**names, **counts, "share_of_flips": noise}), "flips_by_class", path)


def save_checkpoint(path, noise):
    Checkpoint(path, {}, minutes=1).finish({"noise": noise.tolist()})


def save_noise_as_weights(path, noise):
    save_weights({"noise": torch.from_numpy(noise)}, path)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_one_line_and_no_file(tmp_path):
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], check=False).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        line = r"a.npy: no room for 0.00 GB \(No space left on device\); free some disk"
        with pytest.raises(InputError, match=line), new_array(tmp_path / "a.npy", np.uint8, (4, 1_000_000)) as array:
            array[:] = 1
        noise = np.random.default_rng(0).random(300_000)
        for write in (save_array, write_noise, save_checkpoint, save_noise_as_weights):
            with pytest.raises(InputError, match=r"f: no room .*No space left on device\); free some"):
                write(tmp_path / "f", noise)
            assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_without_git_a_commit_is_unknown(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert Provenance().record()["commit"] is None


def test_a_column_that_an_earlier_version_did_not_write_is_null(tmp_path, monkeypatch):
    frame = pd.DataFrame({"student": ["a"], "teacher": ["b"], "chosen_by": ["grid"]})
    earlier = pa.schema([field for field in SCHEMAS["pairs"] if field.name != "chosen_by"])
    with monkeypatch.context() as patch:
        patch.setitem(SCHEMAS, "pairs", earlier)
        write_table(frame, "pairs", tmp_path / "pairs.parquet")
    table = read_table(tmp_path / "pairs.parquet")
    assert table.columns.tolist() == SCHEMAS["pairs"].names
    assert table["chosen_by"].isna().all()
    assert read_table(tmp_path / "pairs.parquet", ["student"]).columns.tolist() == ["student"]
