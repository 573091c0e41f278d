"""Write docs/recommendation.md: whether recommended teachers are better than rules of thumb, in every study that is there.

python docs/pages/recommendation.py, from the repository's root; the page itself says which commands make the tables.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from format import table, template

from transfer_atlas.figures.style import METHOD_NAMES
from transfer_atlas.recommend.advice import covariances_of, learnable, transfers_by_method
from transfer_atlas.recommend.check import OURS, RULES, check_recommendations, noise_ceiling
from transfer_atlas.store.tables import read_table

PAGE = Path("docs/recommendation.md")
STUDIES = ("embedded", "embedded_all_pairs", "cifar100_recipes", "cifar100_all_pairs")
NAMES = METHOD_NAMES | {"lr_small": "KL + DP, lr 0.0001"}
JUDGED = ("kl", "kl_dp", "kl_dp_u", "lr_small")  # methods that a user would choose from


def tables_of(study):
    """Transfers, complementarity, models and covariances of a study."""
    tables = ("transfers", "complementarity", "models", "delta_covariances")
    return [read_table(f"results/{study}/{name}.parquet") for name in tables]


def compare(studies):
    """One row per study, method and what was left out: rank correlation of ours, and regret of each choice in points."""
    rows = []
    for study in studies:
        checks = check_recommendations(*tables_of(study))
        for (method, left_out), rules in checks[checks["method"].isin(JUDGED)].groupby(
            ["method", "left_out"], sort=False
        ):
            of = rules.set_index("rule")
            rows.append(
                {
                    "study": study,
                    "method": NAMES[method],
                    "left out": left_out,
                    "students": of.loc[OURS, "students"],
                    "rank correlation": f"{of.loc[OURS, 'rank_correlation']:+.2f}".replace("+nan", ""),
                    **{rule: f"{100 * of.loc[rule, 'regret']:.2f}{_verdict(of.loc[rule])}" for rule in (OURS, *RULES)},
                }
            )
    return table(pd.DataFrame(rows))


def _verdict(rule):
    """Whether a rule costs more (*) or less (!) than the recommended choice by more than two standard errors."""
    more, error = rule["more_regret"], rule["more_regret_standard_error"]
    if not np.isfinite(error) or abs(more) <= 2 * error:
        return ""
    return " *" if more > 0 else " !"


def ceilings(studies):
    """One row per study and method: how much there is to be told apart at all."""
    rows = []
    for study in studies:
        *tables, covariances = tables_of(study)
        for method, transfers in learnable(transfers_by_method(*tables)).items():
            if method in JUDGED:
                found = noise_ceiling(transfers, covariances_of(covariances, method))
                rows.append(
                    {
                        "study": study,
                        "method": NAMES[method],
                        "pairs": len(transfers),
                        "more than error, all pairs (%)": f"{100 * found['share']:.0f}",
                        "within a student (%)": f"{100 * found['share_within']:.0f}",
                        "spread within a student (points)": f"{100 * found['spread_within']:.2f}",
                        "error of a delta (points)": f"{100 * found['error']:.2f}",
                    }
                )
    return table(pd.DataFrame(rows))


def main():
    """Write the page."""
    text = template("recommendation")
    PAGE.write_text(text.format(checks=compare(STUDIES), ceilings=ceilings(STUDIES)))


if __name__ == "__main__":
    main()
