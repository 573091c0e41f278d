"""Write docs/imagenet.md and its figures from the tables of the study imagenet_public.

python docs/pages/imagenet.py, from the repository's root; the page itself says which commands make the tables.
"""

import shutil
from pathlib import Path

import pandas as pd
from format import of_row, percent, table, template

from transfer_atlas.complementarity.accepted import accepted_matrix
from transfer_atlas.complementarity.joint import grow_set
from transfer_atlas.logits.zoo_predictions import read_zoo_predictions
from transfer_atlas.statistics import TOP_PERCENTS
from transfer_atlas.store.tables import read_table

RESULTS, IMAGES = Path("results/imagenet_public"), Path("docs/images/imagenet")
NEAR = 0.1  # accuracy difference
FIGURES = ("complementarity", "flips_over_expected", "flip_entropy", "pair_matrix", "pair_accuracy")


def describe_flips(pairs):
    """Smallest, median and largest positive flips in percent, of all pairs and by who is more accurate, beside the paper's."""
    weaker, stronger = pairs["accuracy_difference"] < 0, pairs["accuracy_difference"] > 0
    rows = [("all ordered pairs", pairs), ("weaker teacher", pairs[weaker]), ("stronger teacher", pairs[stronger])]
    return table(
        pd.DataFrame(
            {
                "pairs": name,
                "number": f"{len(rows):,}",
                "smallest (%)": percent(rows["positive_flips"].min()),
                "median (%)": percent(rows["positive_flips"].median()),
                "largest (%)": percent(rows["positive_flips"].max()),
            }
            for name, rows in rows
        )
    )


def extreme_pair(pairs, largest):
    """The pair with the fewest or the most flips, with their share and its interval."""
    row = pairs.loc[pairs["positive_flips"].idxmax() if largest else pairs["positive_flips"].idxmin()]
    interval = f"{percent(row['positive_flips_low'])} to {percent(row['positive_flips_high'])}"
    return f"{row['teacher']} for {row['student']}, {percent(row['positive_flips'])} % ({interval})"


def describe_classes(pairs):
    """Fewest classes that hold the top X % of the flips: median over pairs, and their share of all classes."""
    return table(
        pd.DataFrame(
            {
                "X (%)": percent_,
                "classes, median": f"{pairs[f'top{percent_}_classes'].median():.0f}",
                "share of all classes (%)": percent(pairs[f"top{percent_}_class_share"].median(), 1),
            }
            for percent_ in TOP_PERCENTS
        )
    )


def describe_same_networks(pairs):
    """One architecture in two frameworks: flips both ways, flips over expected, and error consistency."""
    rows = []
    for _, row in pairs[pairs["same_network"] & (pairs["student"] < pairs["teacher"])].iterrows():
        low, high = row["error_consistency_low"], row["error_consistency_high"]
        rows.append(
            {
                "networks": f"{row['student']}, {row['teacher']}",
                "flips of the second for the first (%)": percent(row["positive_flips"]),
                "of the first for the second (%)": percent(row["negative_flips"]),
                "flips over expected": of_row(row, "flips_over_expected", "{:.2f}", 1),
                "other prediction (%)": percent(1 - row["same_prediction"], 1),
                "error consistency": f"{row['error_consistency']:.3f} ({low:.3f} to {high:.3f})",
            }
        )
    return table(pd.DataFrame(rows))


def framework(names):
    return names.str.rpartition("_")[2]


def architecture(names):
    """The kind of network: `densenet` of densenet121_keras."""
    return names.str.extract(r"^([a-z]+)", expand=False)


def describe_chance(pairs):
    """Flips over expected, and what is significant of it, for groups of pairs that differ in one thing."""
    near = pairs["accuracy_difference"].abs() < NEAR
    same_kind = architecture(pairs["student"]) == architecture(pairs["teacher"])
    same_framework = framework(pairs["student"]) == framework(pairs["teacher"])
    other = near & ~pairs["same_network"]
    groups = {
        "all pairs": near | ~near,
        "teacher at least 10 points weaker": pairs["accuracy_difference"] <= -NEAR,
        "teacher at least 10 points stronger": pairs["accuracy_difference"] >= NEAR,
        "within 10 points, one network twice": near & pairs["same_network"],
        "within 10 points, one kind of architecture, one framework": other & same_kind & same_framework,
        "within 10 points, one kind of architecture, two frameworks": other & same_kind & ~same_framework,
        "within 10 points, two kinds of architecture, one framework": other & ~same_kind & same_framework,
        "within 10 points, two kinds of architecture, two frameworks": other & ~same_kind & ~same_framework,
    }
    rows = []
    for name, chosen in groups.items():
        here = pairs[chosen]
        ratio, sure = here["flips_over_expected"], here["flips_over_expected_q"] < 0.05
        rows.append(
            {
                "pairs": name,
                "number": f"{len(here):,}",
                "flips over expected: median (5 to 95 % of the pairs)": f"{ratio.median():.2f} ({ratio.quantile(0.05):.2f} "
                f"to {ratio.quantile(0.95):.2f})",
                "significantly above 1 (%)": percent((sure & (ratio > 1)).mean(), 0),
                "below 1 (%)": percent((sure & (ratio < 1)).mean(), 0),
            }
        )
    return table(pd.DataFrame(rows))


def extreme_ratios(pairs, largest, number=4):
    """The pairs farthest from what is expected, one per unordered pair."""
    ranked = pairs.sort_values("flips_over_expected", ascending=not largest).head(number)
    return "; ".join(
        f"{row['teacher']} for {row['student']} {of_row(row, 'flips_over_expected', '{:.2f}', 1)}"
        for _, row in ranked.iterrows()
    )


def describe_set(predicted, models):
    """Oracle, vote and choice by confidence of the most accurate network and those that add most."""
    best = models.loc[models["accuracy"].idxmax(), "model"]
    grown = grow_set(predicted, best, 8)
    shown = grown[["model", "accuracy", "oracle_accuracy", "vote_accuracy", "confidence_accuracy"]]
    shown = shown.assign(**{name: shown[name].map(percent) for name in shown.columns[1:]})
    return table(shown.set_axis(["added", "accuracy (%)", "oracle (%)", "vote (%)", "most confident (%)"], axis=1))


def describe_unknown(predicted, accepted):
    """Images that no network is right on, and of how many of these a prediction is accepted by ReaL."""
    unknown = ~predicted.correct.any(axis=0)
    right, judged = accepted_matrix(predicted.prediction, accepted)
    return {
        "unknown": f"{unknown.sum():,}",
        "unknown_share": percent(unknown.mean()),
        "unknown_unlabelled": f"{(unknown & ~judged).sum():,}",
        "unknown_accepted": f"{(unknown & right.any(axis=0)).sum():,}",
        "unknown_left": f"{(unknown & judged & ~right.any(axis=0)).sum():,}",
        "all_right": percent(predicted.correct.all(axis=0).mean(), 1),
    }


def main():
    pairs, models = (read_table(RESULTS / f"{name}.parquet") for name in ("complementarity", "models"))
    kappa, ratio = pairs["error_consistency"], pairs["flips_over_expected"]
    sure = pairs["flips_over_expected_q"] < 0.05
    predicted = read_zoo_predictions(str(RESULTS / "predictions/evaluation"))
    accepted = read_table(RESULTS / "accepted_labels.parquet")["accepted"].tolist()
    ranked = models.sort_values("accuracy", ascending=False)
    zoo = ranked.assign(
        accuracy=[
            f"{percent(a)} +- {percent(e)}"
            for a, e in zip(ranked["accuracy"], ranked["accuracy_standard_error"], strict=True)
        ]
    )
    filled = template("imagenet").format(
        networks=len(models),
        images=f"{pairs['images'].iloc[0]:,}",
        pairs=f"{len(pairs):,}",
        lowest=percent(pairs["positive_flips"].min()),
        highest=percent(pairs["positive_flips"].max(), 1),
        flips=describe_flips(pairs),
        fewest=extreme_pair(pairs, largest=False),
        most=extreme_pair(pairs, largest=True),
        entropy_low=f"{pairs['flip_entropy'].min():.2f}",
        entropy_high=f"{pairs['flip_entropy'].max():.2f}",
        effective=f"{pairs['effective_classes'].median():.0f}",
        classes=describe_classes(pairs),
        kappa_low=f"{kappa.min():.2f}",
        kappa_median=f"{kappa.median():.2f}",
        kappa_high=f"{kappa.max():.2f}",
        above_zero=percent((pairs["error_consistency_low"] > 0).mean(), 0),
        oracle=percent(
            (pairs["oracle_accuracy"] - pairs[["student_accuracy", "teacher_accuracy"]].max(axis=1)).median(), 1
        ),
        chosen=percent(
            (pairs["confidence_accuracy"] - pairs[["student_accuracy", "teacher_accuracy"]].max(axis=1)).median(), 1
        ),
        same=describe_same_networks(pairs),
        correlation=f"{pairs['positive_flips'].corr(pairs['expected_flips']):.3f}",
        by_accuracy=percent(pairs["positive_flips"].corr(pairs["independent_flips"]) ** 2, 0),
        chance=describe_chance(pairs),
        above_chance=percent((sure & (ratio > 1)).mean(), 0),
        below_chance=percent((sure & (ratio < 1)).mean(), 0),
        least_expected=extreme_ratios(pairs, largest=False),
        most_expected=extreme_ratios(pairs, largest=True),
        kappa_highest=f"{pairs['error_consistency_highest'].min():.2f}",
        judged=f"{pairs['accepted_images'].iloc[0]:,}",
        accepted_lowest=percent(pairs["accepted_flips"].min()),
        accepted_median=percent(pairs["accepted_flips"].median()),
        accepted_low=percent(pairs["student_accepted"].min(), 0),
        accepted_middle=percent(pairs["student_accepted"].median(), 0),
        accepted_high=percent(pairs["student_accepted"].max(), 0),
        grown=describe_set(predicted, models),
        **describe_unknown(predicted, accepted),
        zoo=table(zoo[["model", "accuracy"]].rename(columns={"accuracy": "accuracy (%), standard error"})),
    )
    Path("docs/imagenet.md").write_text(filled)
    IMAGES.mkdir(parents=True, exist_ok=True)
    for figure in FIGURES:
        shutil.copy(RESULTS / f"figures/{figure}.png", IMAGES)


if __name__ == "__main__":
    main()
