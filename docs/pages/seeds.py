"""Write docs/seeds.md from the transfers of the study embedded_seeds.

python docs/pages/seeds.py, from the repository's root; the page itself says which command makes the tables.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from format import table, template
from scipy.stats import t as student_t

from transfer_atlas.figures.style import method_name
from transfer_atlas.store.tables import read_table

METHODS = ("kl", "kl_dp", "labels")


def read_runs():
    """Transfers of the three methods with the number of their zoo: the end of the student's name, 0 for none."""
    transfers = read_table("results/embedded_seeds/transfers.parquet")
    zoo = transfers["student"].str.extract(r"_(\d)$", expand=False).fillna("0").astype(int)
    return transfers.assign(zoo=zoo)[transfers["method"].isin(METHODS)]


def mean_deltas(runs):
    """Mean delta in points: rows (zoo, seed), columns methods and KL + DP less labels."""
    means = 100 * runs.groupby(["zoo", "seed", "method"])["delta"].mean().unstack()[list(METHODS)]
    return means.assign(difference=means["kl_dp"] - means["labels"])


def interval_of_a_run(means):
    """95 % prediction interval of a run with another zoo, for each column."""
    zoos = means.groupby("zoo").mean()
    half = student_t.ppf(0.975, len(zoos) - 1) * np.sqrt(1 + 1 / len(zoos)) * zoos.std()
    return zoos.mean() - half, zoos.mean() + half


def name_of(column):
    return "KL + DP less labels" if column == "difference" else method_name(column).replace(" (control)", "")


def describe_runs(means):
    shown = means.rename(columns=name_of).map("{:+.2f}".format).reset_index()
    return table(shown.rename_axis(None, axis=1))


def describe_spread(means):
    low, high = interval_of_a_run(means)
    rows = [
        {
            "method": name_of(column),
            "mean": f"{means[column].mean():+.2f}",
            "lowest, highest of nine": f"{means[column].min():+.2f}, {means[column].max():+.2f}",
            "a run of your own": f"{low[column]:+.2f} to {high[column]:+.2f}",
        }
        for column in means
    ]
    return table(pd.DataFrame(rows))


def success_range(runs, method):
    success = runs[runs["method"] == method].groupby(["zoo", "seed"])["delta"].agg(lambda delta: (delta > 0).mean())
    return f"{100 * success.min():.0f} to {100 * success.max():.0f} %"


def main():
    runs = read_runs()
    means = mean_deltas(runs)
    methods = means[list(METHODS)]
    if not ((methods["kl"] < 0) & (methods["kl"] < methods[["kl_dp", "labels"]].min(axis=1))).all():
        raise SystemExit("the order of the methods no longer holds in every run: write the page anew")
    text = template("seeds")
    Path("docs/seeds.md").write_text(
        text.format(
            transfers=len(read_table("results/embedded_seeds/transfers.parquet")),
            runs=describe_runs(means),
            spread=describe_spread(means),
            labels_ahead=int((means["difference"] < 0).sum()),
            seed_spread=f"{np.sqrt(methods.groupby('zoo').var().mean()).max():.2f}",
            zoo_spread=" to ".join(f"{value:.2f}" for value in methods.groupby("zoo").mean().std().agg(["min", "max"])),
            **{f"success_{method}": success_range(runs, method) for method in METHODS},
        )
    )


if __name__ == "__main__":
    main()
