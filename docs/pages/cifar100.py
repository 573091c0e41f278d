"""Write docs/cifar100.md and its figures from the results of config/cifar100.yaml.

python docs/pages/cifar100.py, from the repository's root; the page itself says which commands make the results.
"""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from format import interval, table, template, with_interval
from scipy.stats import binomtest

from transfer_atlas.analysis.properties import correlate, describe_transfers
from transfer_atlas.analysis.summary import summarise_methods
from transfer_atlas.figures.style import FAMILY_NAMES, METHOD_NAMES
from transfer_atlas.recommend.check import check_recommendations, noise_ceiling
from transfer_atlas.statistics import mcnemar_p
from transfer_atlas.store.tables import read_metadata, read_table

RESULTS = Path("results")
PAGE = Path("docs/cifar100.md")
IMAGES = Path("docs/images/cifar100")
FIGURES = {
    "transfer_delta": "Delta of each transfer against the accuracy difference.",
    "success_rate": "Success rate of each student, per method.",
    "complementarity": "What teachers know that students do not, against the accuracy difference.",
    "delta_matrix": "Deltas of every student with every teacher; grey where a delta is within 1.96 paired standard errors of zero.",
}
# paper.md: medians over students of the success rate in %, arXiv 2310.17653, Fig. 4a and section 5
PAPER_MEDIAN = {"kl": 32.5, "xe_kl": 42.5, "xe_kl_mcl": 85.0, "kl_dp": 92.5, "kl_dp_u": 82.5}
PAPER_FAMILY = {"transformer": 97.5, "mlp": 100.0, "convolution": 45.0}


def by_student(transfers, method, column="delta"):
    """Mean of a column over all transfers of each student with one method."""
    return transfers[transfers["method"] == method].groupby("student")[column].mean()


def methods_table(transfers):
    """Success and delta of each method beside the paper's."""
    summary, rows = summarise_methods(transfers), []
    for method, row in summary.iterrows():
        success, delta = by_student(transfers, method, "success"), by_student(transfers, method)
        paper = PAPER_MEDIAN.get(method)
        rows.append(
            {
                "method": METHOD_NAMES.get(method, method),
                "transfers": int(row["transfers"]),
                "success (%)": with_interval(row["success_rate"], interval(success), "{:.0f}"),
                "median over students (%)": with_interval(
                    row["median_success"], interval(success, statistic=np.median), "{:.0f}"
                ),
                "paper's median (%)": "" if paper is None else f"{paper:g}",
                "up, down (%)": f"{100 * row['above']:.0f}, {100 * row['below']:.0f}",
                "mean delta (points)": with_interval(row["mean_delta"], interval(delta)),
            }
        )
    return table(pd.DataFrame(rows))


def families_table(transfers, models):
    """Success of KL + DP by the student's family beside the paper's."""
    family, success = models.set_index("model")["family"], by_student(transfers, "kl_dp", "success")
    rows = []
    for name, paper in PAPER_FAMILY.items():
        students = success[family[success.index] == name]
        rows.append(
            {
                "students": f"{FAMILY_NAMES[name]} ({len(students)})",
                "median over students (%)": with_interval(
                    students.median(), interval(students, statistic=np.median), "{:.0f}"
                ),
                "paper's median (%)": f"{paper:g}",
                "mean delta (points)": f"{100 * by_student(transfers, 'kl_dp')[students.index].mean():+.2f}",
            }
        )
    return table(pd.DataFrame(rows))


def claims(transfers, pairs, models):
    """What the paper says, what is seen here, and whether an interval decides it."""
    delta = {method: by_student(transfers, method) for method in transfers["method"].unique()}
    success = {method: by_student(transfers, method, "success") for method in delta}
    described = describe_transfers(transfers, pairs, models)
    return [
        decide("plain KL costs the student more than it gives", "mean delta", delta["kl"], sign=-1),
        decide("KL + DP succeeds more often than KL", "success, difference", success["kl_dp"] - success["kl"]),
        decide(
            "XE-KL + MCL succeeds more often than XE-KL", "success, difference", success["xe_kl_mcl"] - success["xe_kl"]
        ),
        decide("KL + DP gains on average", "mean delta", delta["kl_dp"]),
        decide("KL + DP gains more than the labels alone", "delta, difference", delta["kl_dp"] - delta["labels"]),
        decide("without labels, KL + DP still gains", "mean delta", delta["kl_dp_u"]),
        direction_claim(described[described["method"] == "kl_dp"], transfers["images"].iloc[0]),
        family_claim(success["kl_dp"], models.set_index("model")["family"]),
        correlation_claim("the delta of KL goes with the accuracy difference", described, "kl"),
        correlation_claim("so does that of KL + DP", described, "kl_dp"),
    ]


def direction_claim(described, images):
    """Of the pairs that KL + DP moves significantly, how many it moves up; gain and loss are means over seeds."""
    moved = described[mcnemar_p(described["gain"], described["loss"], images) < 0.05]
    up = int((moved["delta"] > 0).sum())
    share = binomtest(up, len(moved)).proportion_ci()
    return verdict(
        "where KL + DP moves a student significantly, it moves it up",
        f"{up} of {len(moved)} pairs",
        (share.low - 0.5, share.high - 0.5),
    )


def family_claim(success, families):
    """How much less often KL + DP succeeds with convolutional students than with others."""
    convolutions = success[families[success.index] == "convolution"]
    others = success.drop(convolutions.index)
    bounds = interval(others, convolutions, statistic=lambda a, b, axis: np.mean(a, axis) - np.mean(b, axis))
    seen = with_interval(others.mean() - convolutions.mean(), bounds, "{:+.0f}")
    return verdict(
        "KL + DP succeeds less often with convolutional students",
        f"success, others less convolutions: {seen} points",
        bounds,
    )


def correlation_claim(text, described, method):
    """Rank correlation of delta and accuracy difference, over students drawn anew."""
    table = correlate(described[described["method"] == method]).set_index("property")
    rho, low, high = table.loc["accuracy difference", ["value", "low", "high"]]
    return verdict(text, f"Spearman's rho {rho:+.2f} ({low:+.2f} to {high:+.2f})", (low, high))


def decide(claim, what, values, sign=1):
    """A claim on the mean over students of `values`; `sign` is the side of zero that the paper sees."""
    values = values.dropna()
    bounds = interval(values)
    seen = f"{what}: {with_interval(values.mean(), bounds)} points"
    return verdict(claim, seen, sorted(sign * np.array(bounds)))


def verdict(claim, seen, bounds):
    """Agrees where the interval lies on the paper's side of zero, contradicts where it lies on the other."""
    agrees = "agrees" if bounds[0] > 0 else "contradicts" if bounds[1] < 0 else "cannot be told"
    return {"the paper": claim, "here, 95 % interval": seen, "verdict": agrees}


def zoo_table(models):
    """The zoo, best first."""
    shown = models.sort_values("accuracy", ascending=False)
    return table(
        pd.DataFrame(
            {
                "model": shown["model"],
                "family": shown["family"].map(FAMILY_NAMES),
                "parameters": shown["parameters"].map("{:,}".format),
                "top-1 (%)": (100 * shown["accuracy"]).map("{:.2f}".format),
            }
        )
    )


def recommender_table(checks):
    """Rank correlation and regret of each choice of a teacher for KL + DP."""
    here = checks[checks["method"] == "kl_dp"]
    return table(
        pd.DataFrame(
            {
                "left out": here["left_out"],
                "choice": here["rule"],
                "rank correlation": here["rank_correlation"].map("{:+.2f}".format, na_action="ignore").fillna(""),
                "regret (points)": (100 * here["regret"]).map("{:.2f}".format),
                "more than the recommended": [
                    "" if rule == "recommended" else f"{100 * more:+.2f} +- {100 * error:.2f}"
                    for rule, more, error in zip(
                        here["rule"], here["more_regret"], here["more_regret_standard_error"], strict=True
                    )
                ],
            }
        )
    )


def versions(study):
    """What made the transfers; every transfer of a study is made with the same."""
    found = read_metadata(next(study.glob("transfers/**/*.parquet")))["versions"]
    return ", ".join(f"{name} {version}" for name, version in found.items())


def main():
    """Write the page."""
    study = RESULTS / "cifar100"
    transfers, pairs, models = (
        read_table(study / f"{name}.parquet") for name in ("transfers", "complementarity", "models")
    )
    transfers = transfers.assign(success=transfers["delta"] > 0)
    IMAGES.mkdir(parents=True, exist_ok=True)
    for figure in FIGURES:
        shutil.copyfile(study / f"figures/{figure}.png", IMAGES / f"{figure}.png")
    ceiling = noise_ceiling(describe_transfers(transfers, pairs, models).query("method == 'kl_dp'"))
    PAGE.write_text(
        TEXT.format(
            transfers=len(transfers),
            pairs=len(transfers.dropna(subset=["teacher"])[["student", "teacher"]].drop_duplicates()),
            images=transfers["images"].iloc[0],
            versions=versions(study),
            zoo=zoo_table(models),
            methods=methods_table(transfers),
            families=families_table(transfers, models),
            claims=table(pd.DataFrame(claims(transfers, pairs, models))),
            least=f"{100 * pairs['positive_flips'].min():.2f}",
            most=f"{100 * pairs['positive_flips'].max():.1f}",
            share=f"{ceiling['share']:.0%}",
            share_within=f"{ceiling['share_within']:.0%}",
            checks=recommender_table(check_recommendations(transfers, pairs, models)),
            figures="\n\n".join(f"![{text}](images/cifar100/{name}.png)\n\n*{text}*" for name, text in FIGURES.items()),
        )
    )


TEXT = template("cifar100")

if __name__ == "__main__":
    main()
