"""Write docs/recommendation.md: whether a recommended teacher is better than a rule of thumb, and what a better choice costs.

python docs/pages/recommendation.py, from the repository's root; the page itself says which commands make the tables.
"""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from format import interval, percent, table, template, with_interval

from transfer_atlas.figures.style import METHOD_NAMES
from transfer_atlas.recommend.advice import covariances_of, learnable, transfers_by_method
from transfer_atlas.recommend.check import CHANCE, OURS, RULES, check_recommendations, noise_ceiling, spread_within
from transfer_atlas.recommend.choices import ALL, HALVING, KNOWN, PROBE
from transfer_atlas.store.tables import read_table

PAGE, IMAGES = Path("docs/recommendation.md"), Path("docs/images/recommendation")
STUDIES = {"embedded_choice": "Fashion-MNIST", "cifar100_choice": "CIFAR-100"}


def tables_of(study):
    """Transfers, complementarity, models and covariances of a study."""
    tables = ("transfers", "complementarity", "models", "delta_covariances")
    return [read_table(f"results/{study}/{name}.parquet") for name in tables]


def heading(study, method):
    """Name of a method in a study."""
    return f"{STUDIES[study]}, {METHOD_NAMES[method]}"


def compare(studies):
    """One row per study, method and what was left out: rank correlation of ours, and regret of each choice in points."""
    rows = []
    for study in studies:
        checks = check_recommendations(*tables_of(study))
        for (method, left_out), rules in checks.groupby(["method", "left_out"], sort=False):
            of = rules.set_index("rule")
            rows.append(
                {
                    "zoo, method": heading(study, method),
                    "left out": left_out,
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


def choices_of(studies):
    """The choices tables of all studies, with a column for study and method."""
    tables = [read_table(f"results/{study}/choices.parquet").assign(study=study) for study in studies]
    found = pd.concat(tables, ignore_index=True)
    return found.assign(heading=[heading(*pair) for pair in zip(found["study"], found["method"], strict=True)])


def way_of(choice):
    """Text for a way to choose."""
    if choice["rule"] in (PROBE, HALVING):
        first = "from " if choice["rule"] == HALVING else "of "
        return f"{choice['rule']}, {first}{100 * choice['image_share']:g} % of the images"
    return choice["rule"]


def real_ways(choices):
    """Choices that someone can make, other than at random, with a column for the way."""
    real = choices[~choices["rule"].isin([CHANCE, KNOWN])]
    return real.assign(way=real.apply(way_of, axis=1))


def costs(choices):
    """One row per way: its cost, and by study and method what it gives beyond a teacher drawn at random."""
    rows = []
    for way, here in real_ways(choices).groupby("way", sort=False):
        row = {"way": way, "cost": f"{here['cost'].mean():.1f}"}
        for name, of in here.groupby("heading", sort=False):
            row[name] = with_interval(of["over_chance"].mean(), interval(of["over_chance"]))
        rows.append(row)
    frame = pd.DataFrame(rows)
    return table(frame.iloc[frame["cost"].astype(float).argsort(kind="stable")])


def finding(choices):
    """The first sentences: which ways give more than a teacher drawn at random."""
    lines = []
    for name, here in choices.groupby("heading", sort=False):
        real = real_ways(here)
        better = [
            (of["cost"].mean(), of["over_chance"].mean(), way)
            for way, of in real.groupby("way", sort=False)
            if interval(of["over_chance"])[0] > 0
        ]
        best = here[here["rule"] == CHANCE]["regret"].mean()
        if not better:
            lines.append(f"- {name}: no way gives more than a teacher drawn at random.")
            continue
        ways = real["way"].nunique()
        if len(better) == 1:
            lines.append(
                f"- {name}: 1 of {ways} ways gives more than a teacher drawn at random: {_with_cost(better[0])}."
            )
            continue
        cheapest, largest = (min(better, key=key) for key in (lambda way: (way[0], -way[1]), lambda way: -way[1]))
        lines.append(
            f"- {name}: {len(better)} of {ways} ways give more than a teacher drawn at random. Of the cheapest the best is "
            f"{_with_cost(cheapest)}, of all {_with_cost(largest)}; a choice in hindsight would seem to give {100 * best:+.2f} points."
        )
    return "\n".join(lines)


def _with_cost(way):
    cost, gain, name = way
    return f"*{name}* ({100 * gain:+.2f} points at the cost of {cost:.1f} transfers)"


def ceilings(studies):
    """One row per study and method: how much there is to be told apart, and what would tell it."""
    rows = []
    for study in studies:
        *tables, covariances = tables_of(study)
        images = tables[0]["images"].max()
        for method, transfers in learnable(transfers_by_method(*tables)).items():
            of_method = covariances_of(covariances, method)
            spread, low, high, p = spread_within(transfers, of_method)
            by_student = transfers.groupby("student")
            errors = pd.Series([noise_ceiling(of_student, of_method)["error"] for _, of_student in by_student])
            different = p < 0.05 / len(p)
            wanted = images * errors.median() ** 2
            rows.append(
                {
                    "zoo, method": heading(study, method),
                    "spread (points)": f"{percent(spread)} ({percent(low)} to {percent(high)})",
                    "error of a delta": f"{percent(errors.median())} ({percent(errors.min())} to {percent(errors.max())})",
                    "images needed": _images_needed(wanted, spread, high),
                    "students whose teachers differ": _students(different),
                }
            )
    return table(pd.DataFrame(rows))


def _students(different):
    """How many students it holds for and, whichever is shorter, the names of these or of the others."""
    few = different if 2 * different.sum() <= len(different) else ~different
    names = ", ".join(few.index[few])
    text = f"{different.sum()} of {len(different)}"
    return f"{text}: {'' if few is different else 'all but '}{names}" if names else text


def _images_needed(wanted, spread, high):
    """Evaluation images with which error and spread are equal; `wanted` is their product with the squared error."""
    if spread:
        return f"{wanted / spread**2:,.0f}"
    return f"more than {wanted / high**2:,.0f}" if high else "not known"


def main():
    """Write the page and copy its figures."""
    choices = choices_of(STUDIES)
    IMAGES.mkdir(exist_ok=True)
    for study in STUDIES:
        shutil.copyfile(f"results/{study}/figures/regret_by_cost.png", IMAGES / f"{study}.png")
    known = choices[choices["rule"] == KNOWN].groupby("heading", sort=False)["over_chance"].mean()
    PAGE.write_text(
        template("recommendation").format(
            finding=finding(choices),
            costs=costs(choices),
            checks=compare(STUDIES),
            ceilings=ceilings(STUDIES),
            known="; ".join(f"{name} {100 * value:+.2f}" for name, value in known.items()),
            pairs=f"{choices[choices['rule'] == ALL].groupby('heading')['teachers'].sum().max()}",
        )
    )


if __name__ == "__main__":
    main()
