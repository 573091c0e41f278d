"""Published results beside a study's own."""

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, ZOO_SCHEMA

from transfer_atlas.analysis.published import compare_with_published, read_published
from transfer_atlas.errors import InputError
from transfer_atlas.study.sheet import read_zoo


def transfer(method, student, teacher, delta, seed=0):
    return {"method": method, "student": student, "teacher": teacher, "seed": seed, "delta": delta}


def test_means_are_over_teachers_and_seeds_count_once():
    transfers = pd.DataFrame(
        [
            transfer("kl", "a.t", "b.t", 0.02, seed=0),
            transfer("kl", "a.t", "b.t", 0.04, seed=1),
            transfer("kl", "a.t", "c.t", -0.01),
            transfer("kl", "z.t", "c.t", 0.5),
            transfer("self", "a.t", None, 0.3),
        ]
    )
    published = pd.DataFrame(
        [("a.t", "kl", 5, 0.015, 0.02, 0.6, "there"), ("a.t", "crd", 5, 0.1, 0.1, 0.1, "there")],
        columns=["student", "method", "teachers", "mean_delta", "std_delta", "success_rate", "source"],
    )
    (row,) = compare_with_published(transfers, published).to_dict("records")
    assert (row["method"], row["teachers"], row["published_teachers"]) == ("kl", 2, 5)
    assert row["delta"] == pytest.approx(0.01)
    assert row["delta_standard_error"] == pytest.approx(np.std([0.03, -0.01], ddof=1) / np.sqrt(2))
    assert (row["success_rate"], row["published_success"]) == (0.5, 0.6)
    assert row["published_standard_error"] == pytest.approx(0.02 / 2)


@pytest.mark.parametrize(("sheet", "results"), [("tenth", 110), ("full", 24)])
def test_the_papers_results_are_of_the_papers_models(sheet, results):
    published = read_published(ROOT / f"config/published_{sheet}.tsv")
    assert len(published) == results
    assert set(published["student"]) <= set(read_zoo(ROOT / "config/imagenet_zoo.tsv", ZOO_SCHEMA, {}))
    assert not published.duplicated(["student", "method"]).any()


def test_the_papers_headline_comes_out_of_its_sheet():
    """Medians over the 20 students of Fig. 4a: 32.5, 42.5, 92.5 and 82.5 %; of MCL without those that collapsed 85 %."""
    published = read_published(ROOT / "config/published_tenth.tsv")
    grid = published[published["student"].isin(published.query("method == 'kl'")["student"])]
    medians = grid.groupby("method")["success_rate"].median()
    assert medians[["kl", "xe_kl", "kl_dp", "kl_dp_u"]].tolist() == pytest.approx([0.325, 0.425, 0.925, 0.825])
    assert grid.query("method == 'xe_kl_mcl' and mean_delta > -0.1")["success_rate"].median() == pytest.approx(0.85)


def test_a_sheet_that_is_none_is_one_line(tmp_path):
    path = tmp_path / "p.tsv"
    with pytest.raises(InputError, match=r"p.tsv: cannot be read as a sheet of published results"):
        read_published(path)
    path.write_text("student\tmethod\n")
    with pytest.raises(InputError, match=r"p.tsv: column 'teachers' is missing"):
        read_published(path)
    path.write_text("student\tmethod\tteachers\tmean_delta\tstd_delta\tsuccess_rate\tsource\na\tkl\t2\t+1%\t0\t0\tx\n")
    with pytest.raises(InputError, match=r"p.tsv: column 'mean_delta' should hold numbers alone"):
        read_published(path)
