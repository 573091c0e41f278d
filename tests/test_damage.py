"""A file that is not what was written is refused in one line, and `make verify` removes it."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from transfer_atlas.errors import InputError
from transfer_atlas.store.arrays import open_array, save_array
from transfer_atlas.store.checkpoint import Checkpoint
from transfer_atlas.store.checksums import check_weights, check_zip
from transfer_atlas.store.tables import gather, read_metadata, read_table, write_table
from transfer_atlas.tools import verify
from transfer_atlas.zoo.weights import exclusion_of_weights, save_weights

SUFFIX = {"table": ".parquet", "row": ".parquet", "array": ".npy", "weights": ".safetensors", "checkpoint": ".pt"}


@pytest.fixture(params=SUFFIX)
def written(request, tmp_path, random_study):
    """A file of each kind, and a function that reads all that matters of it."""
    path = tmp_path / f"f{SUFFIX[request.param]}"
    provenance = {"seconds": 12.5, "recipe": {"epochs": 3}}
    if request.param in ("table", "row"):
        frame = random_study["complementarity"] if request.param == "table" else random_study["transfers"].iloc[[0]]
        write_table(frame, "complementarity" if request.param == "table" else "transfers", path, provenance)
        return path, lambda: (read_table(path).to_json(), read_metadata(path))
    if request.param == "array":
        save_array(path, np.arange(1000.0, dtype=np.float16).reshape(10, 100))
        return path, lambda: open_array(path).tolist()
    weights = {"a": torch.arange(100.0), "b": torch.ones(3, 4)}
    if request.param == "weights":
        save_weights(weights, path, "cannot be built")
        return path, lambda: (check_weights(path), exclusion_of_weights(path))
    torch.save({"identity": {}, "state": weights}, path)
    return path, lambda: read_checkpoint(path)


def read_checkpoint(path):
    """What a job finds, which begins anew where it finds nothing."""
    check_zip(path)
    state = Checkpoint(path, {}, minutes=1).state
    if state is None:
        raise InputError(f"{path}: ignored")
    return str(state)


def test_one_flipped_bit_is_refused_or_changes_nothing(written):
    path, read = written
    whole, right = path.read_bytes(), read()
    generator = np.random.default_rng(0)
    refused = 0
    for position in generator.choice(len(whole), size=min(len(whole), 400), replace=False):
        changed = bytearray(whole)
        changed[position] ^= 1 << generator.integers(8)
        path.write_bytes(changed)
        try:
            assert read() == right, f"byte {position} of {len(whole)}"
        except InputError as error:
            assert str(path) in str(error)
            assert "\n" not in str(error)
            refused += 1
    assert refused > 100


def test_a_flipped_bit_in_the_header_of_a_page_is_refused(tmp_path, random_study):
    """Parquet's own checksums do not see it, and another encoding there reads as other numbers."""
    path = tmp_path / "t.parquet"
    write_table(random_study["complementarity"], "complementarity", path)
    whole, column = path.read_bytes(), pq.read_metadata(path).row_group(0).column(3)
    for position in range(column.data_page_offset, column.data_page_offset + 20):
        for bit in range(8):
            changed = bytearray(whole)
            changed[position] ^= 1 << bit
            path.write_bytes(changed)
            with pytest.raises(InputError, match="damaged"):
                read_table(path)


@pytest.mark.parametrize("share", [0, 0.3, 0.9, 0.999])
def test_a_file_that_is_cut_off_is_refused(written, share):
    path, read = written
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(
        InputError, match=r"damaged .*; remove it, or all .* \(`python -m transfer_atlas.tools.verify \S+`\)"
    ):
        read()


def test_arrays_of_the_first_versions_have_no_checksum_but_an_end(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(10))
    assert open_array(tmp_path / "a.npy").tolist() == list(range(10))
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes() + b"x")
    with pytest.raises(InputError, match="damaged"):
        open_array(tmp_path / "a.npy")


def test_one_damaged_file_among_many_is_named(tmp_path, random_study):
    paths = [tmp_path / f"{number}.parquet" for number in range(20)]
    for path in paths:
        write_table(random_study["transfers"].iloc[[0]], "transfers", path)
    paths[13].write_bytes(paths[13].read_bytes()[:-100])
    with pytest.raises(InputError, match=r"13\.parquet: damaged"):
        gather(paths, "transfers")


def test_verify_removes_what_is_damaged_and_nothing_else(tmp_path, random_study, capsys):
    table, array, text = tmp_path / "a/t.parquet", tmp_path / "b/l.npy", tmp_path / "summary.txt"
    write_table(random_study["transfers"], "transfers", table)
    save_array(array, np.zeros(100))
    text.write_text("3 transfers\n")
    assert verify.main([tmp_path]) == 0
    assert f"{tmp_path}: 2 files checked, 0 damaged" in capsys.readouterr().out
    whole = array.read_bytes()
    array.write_bytes(whole[:500] + bytes([whole[500] ^ 1]) + whole[501:])
    assert verify.main([tmp_path]) == 1
    assert f"removed {array}: damaged" in capsys.readouterr().out
    assert (table.exists(), array.exists(), text.exists()) == (True, False, True)
    with pytest.raises(SystemExit, match="no such folder; give the results of a study"):
        verify.main([tmp_path / "nowhere"])


def test_what_was_written_is_what_is_read(tmp_path, random_study):
    write_table(random_study["transfers"], "transfers", tmp_path / "t.parquet", {"seconds": 3})
    assert read_metadata(tmp_path / "t.parquet") == {"table": "transfers", "seconds": 3}
    save_array(tmp_path / "a.npy", np.eye(3))
    assert np.load(tmp_path / "a.npy").tolist() == np.eye(3).tolist()  # numpy alone reads it too
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), read_table(tmp_path / "t.parquet"))
