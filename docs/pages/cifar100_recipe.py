"""Write docs/cifar100_recipe.md from the results of config/cifar100_search.

python docs/pages/cifar100_recipe.py, from the repository's root; the page itself says which commands make the results.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from cifar100 import RESULTS, by_student
from format import interval, table, template, with_interval

from transfer_atlas.analysis.summary import summarise_methods
from transfer_atlas.figures.style import METHOD_NAMES
from transfer_atlas.store.tables import read_table

PAGE = Path("docs/cifar100_recipe.md")
# letter, study, method, what it is, letter of the recipe that it changes, the labels alone under the same recipe
SEARCH = [
    ("a", "recipes", "kl_dp", "5,000 images, 3 epochs, lr 0.0005, flips, batch norm frozen", "", "labels"),
    ("b", "recipes", "lr_small", "a with lr 0.0001 (chosen)", "a", "labels_small"),
    ("c", "recipes", "lr_large", "a with lr 0.002", "a", ""),
    ("d", "recipes", "one_epoch", "a with 1 epoch", "a", ""),
    ("e", "recipes", "batch_norm", "a with batch norm re-estimated (`train`)", "a", ""),
    ("f", "augmented", "kl_dp", "a with shifted crops", "a", "labels"),
    ("g", "augmented", "lr_small", "b with shifted crops", "b", "labels_small"),
    ("h", "more_images", "lr_small", "b with 20,000 images", "b", "labels_small"),
]
UNSEEN = [
    ("a", "unseen_images", "kl_dp", "lr 0.0005", "", "labels"),
    ("b", "unseen_images", "lr_small", "a with lr 0.0001", "a", "labels_small"),
    ("f", "unseen_augmented", "kl_dp", "a with shifted crops", "a", "labels"),
    ("g", "unseen_augmented", "lr_small", "b with shifted crops", "b", "labels_small"),
]
# success in %, mean delta and median over students in % of the runs that made the zoo (commit d37625e)
FIRST = {
    "four_students": {
        "kl": (45, -1.49, 50),
        "kl_dp": (75, 0.13, 90),
        "kl_dp_u": (65, 0.07, 60),
        "self": (0, -0.01, 0),
        "labels": (0, -0.20, 0),
    },
    "all_pairs": {"kl_dp": (54.5, 0.03, 59), "self": (17, 0.0, None), "labels": (8, -0.36, None)},
}


def transfers_of(study):
    """The transfers table of one study of the search."""
    return read_table(RESULTS / f"cifar100_{study}/transfers.parquet")


def deltas(transfers, method):
    """Delta of each pair with one method."""
    return transfers[transfers["method"] == method].set_index(["student", "teacher"])["delta"]


def variants_table(variants):
    """Every variant of the recipe against the one that it changes, pair by pair."""
    seen, rows = {}, []
    for letter, study, method, text, base, control in variants:
        transfers = transfers_of(study)
        here = seen[letter] = deltas(transfers, method)
        more = (here - seen[base]).groupby("student").mean() if base else None
        rows.append(
            {
                "": letter,
                "recipe": text,
                "success (%)": f"{100 * (here > 0).mean():.0f}",
                "mean delta (points)": with_interval(here.mean(), interval(here.groupby("student").mean())),
                "change": "" if more is None else with_interval(more.mean(), interval(more)),
                "labels alone": f"{100 * by_student(transfers, control).mean():+.2f}" if control else "",
            }
        )
    return table(pd.DataFrame(rows))


def first_table(study):
    """What the first runs saw beside what the same transfers give now."""
    transfers = transfers_of(study)
    transfers = transfers.assign(success=transfers["delta"] > 0)
    rows = []
    for method, row in summarise_methods(transfers).iterrows():
        success, delta, median = FIRST[study][method]
        rows.append(
            {
                "method": METHOD_NAMES.get(method, method),
                "transfers": int(row["transfers"]),
                "success, first (%)": f"{success:g}",
                "now": with_interval(row["success_rate"], interval(by_student(transfers, method, "success")), "{:.0f}"),
                "median over students, first (%)": "" if median is None else f"{median:g}",
                "now ": f"{100 * row['median_success']:.0f}",
                "mean delta, first (points)": f"{delta:+.2f}",
                "now  ": with_interval(row["mean_delta"], interval(by_student(transfers, method))),
            }
        )
    return table(pd.DataFrame(rows).rename(columns=str.strip))


def favourable():
    """How much better KL + DP looks with the four students than with the others of the same study."""
    four = set(transfers_of("four_students")["student"])
    success = by_student(transfers_of("all_pairs").assign(success=lambda rows: rows["delta"] > 0), "kl_dp", "success")
    inside, outside = success[success.index.isin(four)], success[~success.index.isin(four)]
    return (
        f"{100 * np.mean(inside):.0f} % with these four, {100 * np.mean(outside):.0f} % with the other {len(outside)}"
    )


def main():
    """Write the page."""
    pairs = len(deltas(transfers_of("recipes"), "kl_dp"))
    PAGE.write_text(
        template("cifar100_recipe").format(
            pairs=pairs,
            search=variants_table(SEARCH),
            unseen=variants_table(UNSEEN),
            four_students=first_table("four_students"),
            all_pairs=first_table("all_pairs"),
            favourable=favourable(),
        )
    )


if __name__ == "__main__":
    main()
