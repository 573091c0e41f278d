"""All pairs, part by part: the same to the bit however the zoo is cut."""

from pathlib import Path

import numba
import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control, rankdata

from transfer_atlas.complementarity import counts, packed_zoo, parts, symmetric_counts
from transfer_atlas.complementarity.counts import PairCounter
from transfer_atlas.complementarity.pair_table import tabulate_chunks
from transfer_atlas.complementarity.parts import compare_in_parts
from transfer_atlas.errors import InputError
from transfer_atlas.logits import zoo_predictions
from transfer_atlas.logits.zoo_predictions import ZooPredictions
from transfer_atlas.statistics import FalseDiscoveryRates
from transfer_atlas.store.provenance import Provenance
from transfer_atlas.store.tables import fingerprint, part_name, read_table, sample_of, write_chunks, write_table

MODELS = 53  # more than the null leaves out of its fits


@pytest.fixture(scope="module")
def zoo():
    """Predictions of models on classes of 0, 1, 64 and 65 images, two models without confidences, one that is always right."""
    generator = np.random.default_rng(0)
    labels = generator.permutation(np.repeat([0, 1, 3, 4, 5], [200, 1, 64, 65, 300]))
    difficulty = generator.normal(size=len(labels))
    right = generator.normal(size=(MODELS, len(labels))) + generator.normal(1, 0.5, MODELS)[:, None] > difficulty
    right[7] = True
    predictions = np.where(right, labels, (labels + generator.integers(1, 3, right.shape)) % 6).astype(np.int16)
    confidences = generator.choice(np.linspace(0, 1, 9, dtype=np.float32), right.shape)
    confidences[[2, 50]] = np.nan
    accepted = [[label, label + 1] if label < 3 else [] for label in labels]
    return (
        ZooPredictions([f"m{row}" for row in range(MODELS)], labels, predictions, confidences),
        generator.normal(size=(6, 9)),
        [["m3", "m9"]],
        accepted,
    )


def table_of(zoo, pairs=10**9):
    return pd.concat(tabulate_chunks(PairCounter(*zoo), pairs=pairs), ignore_index=True)


@pytest.mark.parametrize("similarity", ["exact", "rounded"])
@pytest.mark.parametrize(
    ("rows", "tile", "pairs", "threads"), [(1, 1, 1, 1), (4, 16, 120, 2), (50, 50, 400, 1), (7, 53 * 7, 53 * 52, 2)]
)
def test_a_table_is_the_same_to_the_bit_however_it_is_cut(zoo, similarity, rows, tile, pairs, threads, monkeypatch):
    if similarity == "rounded":
        monkeypatch.setattr(counts, "EXACT_UP_TO", 0)
    whole = table_of(zoo)
    monkeypatch.setattr(symmetric_counts, "ROWS", rows)
    monkeypatch.setattr(symmetric_counts, "TILE_MODELS", tile)
    before = numba.get_num_threads()
    numba.set_num_threads(min(threads, before))
    try:
        pd.testing.assert_frame_equal(table_of(zoo, pairs), whole, check_exact=True)
    finally:
        numba.set_num_threads(before)


def test_ranks_of_confidences_choose_as_the_confidences_do(zoo, monkeypatch):
    predicted = zoo[0]
    monkeypatch.setattr(symmetric_counts, "IMAGES", 100)
    signed, known = symmetric_counts.sign_confidences(predicted)
    assert np.flatnonzero(~known).tolist() == [2, 50]
    assert ((signed > 0) == predicted.correct).all()
    confidence = np.where(known[:, None], predicted.confidence, 0)
    np.testing.assert_array_equal(np.abs(signed), rankdata(confidence, axis=0, method="dense"))
    table = table_of(zoo).set_index(["student", "teacher"])["confidence_accuracy"]
    assert table.isna().sum() == 2 * (2 * (MODELS - 1) - 1)
    first, second = predicted.confidence[4], predicted.confidence[11]  # of which some are 0, and many equal
    weight = np.where(first == second, 0.5, first > second)
    expected = weight * predicted.correct[4] + (1 - weight) * predicted.correct[11]
    assert table["m4", "m11"] == table["m11", "m4"] == expected.mean()


def test_what_tiles_hold_is_not_counted_again(zoo):
    tiles = {}
    PairCounter(*zoo, tiles=tiles)
    tiles[0, 0] = tiles[0, 0].copy()
    tiles[0, 0]["same"] = 17
    (part,) = tabulate_chunks(PairCounter(*zoo, tiles=tiles))
    assert (part["same_prediction"] == 17 / len(zoo[0].labels)).all()


@pytest.mark.parametrize("exact", [True, False])
def test_false_discovery_rates_of_parts_are_those_of_all(exact, monkeypatch):
    if not exact:
        monkeypatch.setattr(FalseDiscoveryRates, "EXACT_TESTS", 0)
    generator = np.random.default_rng(0)
    p = np.concatenate([generator.random(3000), generator.random(500) ** 9, [0, 0, 1e-300, 1, np.nan]])
    rates = FalseDiscoveryRates(len(p))
    for part in np.array_split(generator.permutation(p), 7):
        rates.add(part)
    found, expected = rates.adjust(p[:-1].reshape(-1, 8)).ravel(), false_discovery_control(p[:-1]).astype(np.float32)
    assert np.isnan(rates.adjust(p)[-1])
    if exact:
        np.testing.assert_array_equal(found, expected)
    else:
        normal = expected > 1e-40
        np.testing.assert_allclose(found[normal], expected[normal], rtol=2**-16)
        assert (found >= expected).all()
        assert (found[~normal] < 1e-39).all()


@pytest.fixture(scope="module")
def prediction_files(zoo, tmp_path_factory):
    """The zoo as tables of predictions, as the workflow writes them."""
    predicted, folder = zoo[0], tmp_path_factory.mktemp("predictions")
    images = [f"{row:05d}" for row in range(len(predicted.labels))]
    provenance = {"fingerprint": fingerprint(images, predicted.labels)}
    for row, model in enumerate(predicted.models):
        table = {"image": images, "label": predicted.labels, "prediction": predicted.prediction[row]}
        table |= {"correct": predicted.correct[row], "confidence": predicted.confidence[row].astype(float)}
        write_table(
            pd.DataFrame(table).assign(label_probability=np.nan), "predictions", folder / f"{model}.parquet", provenance
        )
    return [str(folder / f"{model}.parquet") for model in predicted.models]


def compare(zoo, files, folder, students_per_file, **recipe):
    _, embeddings, same_network, accepted = zoo
    names = ("complementarity", "complementarity_sample", "flips_by_class")
    paths = dict(
        zip(("complementarity", "sample", "flips_by_class"), (folder / f"{n}.parquet" for n in names), strict=True)
    )
    recipe = {"examples": {"equal": 0.5}, "same_network": same_network} | recipe
    compare_in_parts(files, embeddings, paths, students_per_file, recipe, Provenance(), accepted)
    return paths


@pytest.mark.parametrize("students_per_file", [1, 20, 53, 100])
def test_a_folder_of_parts_is_the_table(zoo, prediction_files, students_per_file, tmp_path, monkeypatch):
    monkeypatch.setattr(symmetric_counts, "ROWS", 5)
    monkeypatch.setattr(symmetric_counts, "TILE_MODELS", 20)
    monkeypatch.setattr(packed_zoo, "MODELS_AT_ONCE", 7)
    monkeypatch.setattr(zoo_predictions, "MODELS_AT_ONCE", 7)
    monkeypatch.setattr(parts, "SAMPLED_MODELS", 9)
    paths = compare(zoo, prediction_files, tmp_path, students_per_file)
    write_table(table_of(zoo), "complementarity", tmp_path / "whole.parquet")
    whole, table = read_table(tmp_path / "whole.parquet"), read_table(paths["complementarity"])
    pd.testing.assert_frame_equal(table, whole, check_exact=True)
    # other readers see a folder of Parquet files too
    assert len(pd.read_parquet(paths["complementarity"], columns=["student"])) == len(whole)
    assert len(list(paths["complementarity"].iterdir())) == -(-MODELS // students_per_file)
    of_two = read_table(paths["complementarity"], ["teacher", "positive_flips"], students=["m17", "m40"])
    expected = whole.loc[whole["student"].isin(["m17", "m40"]), ["teacher", "positive_flips"]]
    pd.testing.assert_frame_equal(of_two, expected.reset_index(drop=True))
    sample = read_table(paths["sample"])
    assert sample["student"].nunique() == 9
    assert len(sample) == 9 * 8
    assert sample_of([paths["sample"]]) == "9 of 53 models, drawn at random"
    pd.testing.assert_frame_equal(sample, sample[["student", "teacher"]].merge(whole))
    assert set(read_table(paths["flips_by_class"])["example"]) == {"equal"}
    # nothing is left beside
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "complementarity.parquet",
        "complementarity_sample.parquet",
        "flips_by_class.parquet",
        "whole.parquet",
    ]


def test_a_killed_comparison_goes_on_with_the_next_file(zoo, prediction_files, tmp_path, monkeypatch):
    written = []

    def count_writes(frames, table, path, provenance=None):
        if len(written) == 3 and Path(path).parent.name == "parts":
            raise KeyboardInterrupt
        write_chunks(frames, table, path, provenance)
        written.extend([Path(path).name] if Path(path).parent.name == "parts" else [])

    monkeypatch.setattr(parts, "write_chunks", count_writes)
    with pytest.raises(KeyboardInterrupt):
        compare(zoo, prediction_files, tmp_path, 10)
    begun = tmp_path / ".complementarity.parquet.begun/parts"
    first = {path.name: path.stat().st_mtime_ns for path in begun.iterdir()}
    assert sorted(first) == [part_name(number) for number in range(3)]
    monkeypatch.setattr(parts, "write_chunks", write_chunks)
    with monkeypatch.context() as patched:
        patched.setattr(symmetric_counts, "_count_tile", None)  # no tile is counted again
        paths = compare(zoo, prediction_files, tmp_path, 10)
    assert {name: (paths["complementarity"] / name).stat().st_mtime_ns for name in first} == first
    write_table(table_of(zoo), "complementarity", tmp_path / "whole.parquet")
    pd.testing.assert_frame_equal(
        read_table(paths["complementarity"]), read_table(tmp_path / "whole.parquet"), check_exact=True
    )


def test_what_was_begun_with_other_inputs_is_begun_again(zoo, prediction_files, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "_write_parts", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        compare(zoo, prediction_files, tmp_path, 10)
    begun = tmp_path / ".complementarity.parquet.begun"
    stamp, tile = (begun / name for name in ("inputs.txt", "tile-00000-00000.npy"))
    first = (stamp.read_text(), tile.stat().st_mtime_ns)
    with pytest.raises(ZeroDivisionError):
        compare(zoo, prediction_files, tmp_path, 10)
    assert (stamp.read_text(), tile.stat().st_mtime_ns) == first
    for changed in ({"students_per_file": 11}, {"same_network": [["m1", "m2"]]}, {"files": prediction_files[1:]}):
        arguments = {"files": prediction_files, "students_per_file": 10} | changed
        with pytest.raises(ZeroDivisionError):
            compare(zoo, arguments.pop("files"), tmp_path, **arguments)
        assert tile.stat().st_mtime_ns > first[1]
        assert stamp.read_text() != first[0]
        first = (stamp.read_text(), tile.stat().st_mtime_ns)


def test_a_missing_part_is_one_line(zoo, prediction_files, tmp_path):
    table = compare(zoo, prediction_files, tmp_path, 10)["complementarity"]
    (table / part_name(2)).unlink()
    with pytest.raises(
        InputError, match=r"part-00002.parquet: missing; remove the folder .* and make it again with: snakemake"
    ):
        read_table(table)
    (table / part_name(5)).unlink()
    with pytest.raises(InputError, match=r"part-00002.parquet: missing"):
        read_table(table, students=["m1"])


def test_an_unknown_example_is_one_line_before_anything_is_counted(zoo, prediction_files, tmp_path, monkeypatch):
    monkeypatch.setattr(symmetric_counts, "_count_tile", None)
    with pytest.raises(
        InputError, match=r"complementarity.examples.mine: model 'm99' has no predictions; did you mean"
    ):
        compare(zoo, prediction_files, tmp_path, 10, examples={"mine": ["m99", "m1"]})
