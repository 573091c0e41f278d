"""Write docs/imagenet.md and its figures from the tables of the study imagenet_public.

python docs/make_imagenet.py, from the repository's root; the page itself says which commands make the tables.
"""

import shutil
from pathlib import Path

import pandas as pd
from make_cifar100 import table

from transfer_atlas.statistics import TOP_PERCENTS
from transfer_atlas.store.tables import read_table

RESULTS, IMAGES = Path("results/imagenet_public"), Path("docs/images/imagenet")
FIGURES = ("complementarity", "flip_entropy", "pair_matrix", "pair_accuracy")
SAME_NETWORK = (
    ("densenet121_keras", "densenet121_pytorch"),
    ("densenet169_keras", "densenet169_pytorch"),
    ("densenet201_keras", "densenet201_pytorch"),
    ("resnet50_keras", "resnet50_pytorch"),
    ("vgg16_keras", "vgg16_pytorch"),
    ("vgg19_keras", "vgg19_pytorch"),
)


def percent(value, digits=2):
    return f"{100 * value:.{digits}f}"


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
    """One architecture with the same kind of weights in two frameworks: flips both ways and error consistency."""
    found = pairs.set_index(["student", "teacher"])
    rows = []
    for one, other in SAME_NETWORK:
        row = found.loc[(one, other)]
        low, high = row["error_consistency_low"], row["error_consistency_high"]
        rows.append(
            {
                "networks": f"{one}, {other}",
                "flips of the second for the first (%)": percent(row["positive_flips"]),
                "of the first for the second (%)": percent(row["negative_flips"]),
                "other prediction (%)": percent(1 - row["same_prediction"], 1),
                "error consistency": f"{row['error_consistency']:.3f} ({low:.3f} to {high:.3f})",
            }
        )
    return table(pd.DataFrame(rows))


def main():
    pairs, models = (read_table(RESULTS / f"{name}.parquet") for name in ("complementarity", "models"))
    kappa = pairs["error_consistency"]
    ranked = models.sort_values("accuracy", ascending=False)
    zoo = ranked.assign(
        accuracy=[
            f"{percent(a)} +- {percent(e)}"
            for a, e in zip(ranked["accuracy"], ranked["accuracy_standard_error"], strict=True)
        ]
    )
    filled = (
        Path("docs/imagenet.template.md")
        .read_text()
        .format(
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
            zoo=table(zoo[["model", "accuracy"]].rename(columns={"accuracy": "accuracy (%), standard error"})),
        )
    )
    Path("docs/imagenet.md").write_text(filled)
    IMAGES.mkdir(parents=True, exist_ok=True)
    for figure in FIGURES:
        shutil.copy(RESULTS / f"figures/{figure}.png", IMAGES)


if __name__ == "__main__":
    main()
