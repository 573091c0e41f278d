"""Standard errors and summaries by hand."""

import numpy as np
import pandas as pd
import pytest

from transfer_atlas.statistics import accuracy_standard_error, format_summary, paired_standard_error, summarise_methods


def test_paired_standard_error_is_that_of_the_changes():
    changes = np.array([1, 1, 1, -1, 0, 0, 0, 0, 0, 0])
    assert paired_standard_error(0.3, 0.1, 10) == pytest.approx(changes.std() / np.sqrt(10))


def test_accuracy_standard_error():
    assert accuracy_standard_error(0.9, 10_000) == pytest.approx(0.003)


def test_summary_by_hand():
    transfers = pd.DataFrame(
        {
            "method": ["kl"] * 4 + ["self"] * 2,
            "student": ["a", "a", "b", "b", "a", "b"],
            "delta": [0.01, 0.03, -0.02, 0.0, 0.0, 0.001],
        }
    )
    summary = summarise_methods(transfers)
    assert summary.index.tolist() == ["kl", "self"]
    assert summary.loc["kl", "success_rate"] == 0.5
    assert summary.loc["kl", "mean_delta"] == pytest.approx(0.005)
    # students' means are 0.02 and -0.01
    assert summary.loc["kl", "standard_error"] == pytest.approx(np.std([0.02, -0.01], ddof=1) / np.sqrt(2))
    text = format_summary(summary, "results/x/figures")
    assert "+0.50 +- 1.50 points" in text
    assert "figures: results/x/figures" in text
