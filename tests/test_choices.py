"""What each way to choose a teacher costs and gives, and how alike two networks' outputs are."""

import numpy as np
import pandas as pd
import pytest
from conftest import make_random_study
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax
from test_recommend import described

from transfer_atlas.recommend import choices
from transfer_atlas.recommend.choices import ALL, HALVING, KNOWN, PROBE, compare_choices
from transfer_atlas.recommend.outputs import compare_outputs
from transfer_atlas.store.arrays import save_array
from transfer_atlas.store.tables import write_table

SHARES = (0.1, 0.5)


def study(seed=0):
    """A synthetic study of one method with short transfers: the images kept apart know the delta, with noise."""
    tables = make_random_study(4, 6, seed)
    transfers = tables["transfers"].query("method == 'kl'").reset_index(drop=True)
    generator = np.random.default_rng(seed)
    transfers["selected_accuracy"] = 0.7 + transfers["delta"] + generator.normal(0, 0.005, len(transfers))
    short = [
        transfers.assign(key="image_share", value=str(share), selected_accuracy=generator.random(len(transfers)))
        for share in SHARES
    ]
    others = transfers.assign(key="epochs", value="0.2", selected_accuracy=0.0)
    return {
        "transfers": transfers,
        "sweeps": pd.concat([*short, others], ignore_index=True),
        "complementarity": tables["complementarity"],
        "models": tables["models"],
        "shares": {"kl": 1.0},
    }


def choice_of(table, student, rule, share=None):
    rows = table[(table["student"] == student) & (table["rule"] == rule)]
    return (rows if share is None else rows[rows["image_share"] == share]).squeeze()


def test_every_choice_is_that_of_brute_force(tmp_path):
    tables = study()
    table = compare_choices(**tables)
    write_table(table, "choices", tmp_path / "choices.parquet")
    transfers, sweeps, models = tables["transfers"], tables["sweeps"], tables["models"].set_index("model")
    for student, own in transfers.groupby("student"):
        own = own.set_index("teacher")
        best, mean = own["delta"].max(), own["delta"].mean()
        apart = sweeps[(sweeps["student"] == student) & (sweeps["key"] == "image_share")]
        expected = {("most accurate", None): (models.loc[own.index, "accuracy"].idxmax(), 1)}
        for share in SHARES:
            tried = apart[apart["value"] == str(share)].set_index("teacher")["selected_accuracy"]
            expected[PROBE, share] = tried.idxmax(), 6 * share + 1
        expected[ALL, 1.0] = own["selected_accuracy"].idxmax(), 6
        for (rule, share), (teacher, cost) in expected.items():
            found = choice_of(table, student, rule, share)
            assert (found["teacher"], found["cost"]) == (teacher, pytest.approx(cost))
            assert found["delta"] == own.loc[teacher, "delta"]
            assert found["regret"] == pytest.approx(best - found["delta"])
            assert found["over_chance"] == pytest.approx(found["delta"] - mean)
        chance = choice_of(table, student, "chance")
        assert pd.isna(chance["teacher"])
        assert chance["regret"] == pytest.approx(best - mean)


def test_a_length_at_which_a_transfer_has_no_result_is_left_out():
    tables = study()
    tables["sweeps"].loc[0, "selected_accuracy"] = np.nan  # of the first student, share 0.1
    table = compare_choices(**tables)
    of_student = table[table["student"] == "model0.t"]
    assert set(of_student.loc[of_student["rule"] == PROBE, "image_share"]) == {0.5}
    tables["transfers"].loc[0, "selected_accuracy"] = np.nan
    table = compare_choices(**tables)
    assert not {PROBE, HALVING, ALL} & set(table.loc[table["student"] == "model0.t", "rule"])
    assert {PROBE, HALVING, ALL} <= set(table.loc[table["student"] == "model1.t", "rule"])


def test_halving_drops_the_worse_half_before_each_longer_transfer():
    accuracy = pd.DataFrame(
        {0.1: [5, 4, 3, 2, 1, 0], 0.5: [1, 3, 2, 9, 9, 9], 1.0: [9, 1, 2, 9, 9, 9]}, index=list("abcdef"), dtype=float
    )
    # six short ones, of which a, b, c go on; of them b and c; of which c is better in the end
    assert choices._halve(accuracy) == ("c", pytest.approx(6 * 0.1 + 3 * 0.5 + 2))
    table = compare_choices(**study())
    assert choice_of(table, "model0.t", HALVING, 0.1)["cost"] == pytest.approx(0.6 + 1.5 + 2)


def test_the_evaluation_images_play_no_part_in_what_is_tried():
    tables = study()
    first = compare_choices(**tables)
    for name in ("delta", "gain", "accuracy_after"):
        tables["sweeps"][name] = tables["sweeps"][name].to_numpy()[::-1]
    pd.testing.assert_frame_equal(compare_choices(**tables), first)


def test_without_images_kept_apart_nothing_is_tried():
    tables = study()
    for name in ("transfers", "sweeps"):
        tables[name] = tables[name].assign(selected_accuracy=np.nan)
    assert not {PROBE, HALVING, ALL} & set(compare_choices(**tables)["rule"])


@pytest.mark.parametrize(("error", "over_chance"), [(1e-4, (0.04, 0.12)), (0.2, (-0.01, 0.06))])
def test_what_is_known_gains_as_much_as_noise_lets_it(error, over_chance):
    """Of ten teachers with true spread 0.055 the best is 1.5 spreads over the mean."""
    rows = described(12, 10, slope=1.0, error=error)
    found = pd.DataFrame(choices._ceiling(rows, None))
    assert set(found["rule"]) == {KNOWN}
    assert over_chance[0] < found["over_chance"].mean() < over_chance[1]
    assert found["regret"].mean() == pytest.approx(0, abs=1e-4) if error < 0.01 else found["regret"].mean() > 0.1


def test_outputs_are_compared_as_by_brute_force(tmp_path):
    generator, models = np.random.default_rng(0), ("a.x", "b.x", "c.x")
    logits = {model: generator.normal(0, 2, (2, 5000, 7)).astype(np.float16) for model in models}
    logits["b.x"] = logits["a.x"] + generator.normal(0, 1, (2, 5000, 7)).astype(np.float16)
    files = {model: tmp_path / f"{model}.npy" for model in (*models, "out.x")}
    for model, array in logits.items():
        save_array(files[model], array)
    save_array(files["out.x"], np.empty((0, 0, 0), np.float16))
    pairs = [("a.x", "b.x"), ("b.x", "a.x"), ("a.x", "c.x"), ("a.x", "out.x")]
    table = compare_outputs(pd.DataFrame(pairs, columns=["student", "teacher"]), files, files)
    write_table(table, "output_similarity", tmp_path / "table.parquet")
    for row in table.iloc[:3].itertuples():
        one, other = (softmax(logits[name][0].astype(float), axis=1) for name in (row.student, row.teacher))
        assert row.js_divergence == pytest.approx((jensenshannon(one, other, axis=1) ** 2).mean())
        one, other = one - one.mean(axis=0), other - other.mean(axis=0)
        grams = [x @ x.T for x in (one, other)]
        cka = (grams[0] * grams[1]).sum() / np.linalg.norm(grams[0]) / np.linalg.norm(grams[1])
        assert row.output_agreement == pytest.approx(cka)
    assert table.loc[0, "output_agreement"] > table.loc[2, "output_agreement"] + 0.3
    assert table.iloc[3][["output_agreement", "js_divergence"]].isna().all()
