"""Write docs/improve.md from the results of config/cifar100_streams.yaml.

python docs/pages/improve.py, from the repository's root; the page itself says which command makes the results.
"""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from format import interval, percent, table, template, with_interval

from transfer_atlas.figures.strategies import STRATEGY_NAMES
from transfer_atlas.store.tables import read_table

PAGE, RESULTS = Path("docs/improve.md"), Path("results/cifar100_streams")
FIGURES = ("strategies", "ledger")


def by_student(strategies, column="delta"):
    """A column of the strategies table, [student, strategy]."""
    return strategies.pivot(index="student", columns="strategy", values=column)


def finding(deltas, tested):
    """The first sentence: what a stream of teachers gives these students, and how sure that is."""
    low, high = interval(deltas["flips"])
    better, worse = (int(((tested["q"] < 0.05) & (sign * tested["delta"] > 0)).sum()) for sign in (1, -1))
    if low > 0:
        verdict = "makes these students more accurate on average"
    elif high < 0:
        verdict = "makes these students less accurate on average"
    else:
        verdict = "changes the accuracy of these students by no amount that can be told from zero"
    return (
        f"A stream of teachers {verdict}: {with_interval(deltas['flips'].mean(), (low, high))} points over {len(deltas)} students, "
        f"{better} of them significantly better and {worse} worse (false discovery rate of 5 %)."
    )


def strategies_table(strategies):
    """Every strategy: mean over students, its students that are significantly better, its cost, and what came over."""
    deltas, epochs = by_student(strategies), by_student(strategies, "epochs")
    q, oracle = by_student(strategies, "q"), deltas["oracle"].mean()
    rows = []
    for name, text in STRATEGY_NAMES.items():
        here = deltas[name]
        rows.append(
            {
                "strategy": text,
                "mean delta (points)": with_interval(here.mean(), interval(here)),
                "less the labels alone": "" if name == "labels" else with_difference(here - deltas["labels"]),
                "better / worse": f"{((q[name] < 0.05) & (here > 0)).sum()} / {((q[name] < 0.05) & (here < 0)).sum()}",
                "passes": f"{epochs[name].mean():.0f}",
                "of what there was (%)": percent(here.mean() / oracle, 1),
            }
        )
    return table(pd.DataFrame(rows))


def with_difference(difference):
    """Mean difference over students in points, with its interval."""
    return with_interval(difference.mean(), interval(difference))


def students_table(strategies, stages):
    """Every student under the stream and beside it."""
    deltas = by_student(strategies)
    before = strategies.groupby("student")["accuracy_before"].first()
    kept = stages[(stages["way"] == "flips") & stages["kept"]]
    teachers = kept.groupby("student")["teachers"].agg(
        lambda names: ", ".join(name for of_stage in names for name in of_stage)
    )
    rows = []
    for student in before.sort_values(ascending=False).index:
        points = {name: f"{100 * deltas.loc[student, name]:+.2f}" for name in ("flips", "single", "labels", "oracle")}
        rows.append(
            {
                "student": student,
                "accuracy (%)": percent(before[student]),
                "stream": points["flips"],
                "teachers kept": teachers.get(student, "none"),
                "one teacher": points["single"],
                "labels": points["labels"],
                "what there was": points["oracle"],
            }
        )
    return table(pd.DataFrame(rows))


def stages_table(stages):
    """What a stage adds, by its number, and whether the images kept apart kept it."""
    taught = stages[stages["way"].isin(["flips", "accuracy", "random"])]
    rows = []
    for kept, here in taught.groupby("kept", sort=True):
        means = here.groupby("student")[["delta", "apart"]].mean()
        rows.append(
            {
                "stages": "kept" if kept else "not kept",
                "number": len(here),
                "on the images kept apart (points)": with_interval(means["apart"].mean(), interval(means["apart"])),
                "on the evaluation images (points)": with_interval(means["delta"].mean(), interval(means["delta"])),
                "of a teacher's flips transferred (%)": percent(
                    here["transferred_flips"].sum() / here["teacher_flips"].sum(), 1
                ),
            }
        )
    return table(pd.DataFrame(rows[::-1]))


def ledger_sentence(ledger):
    """What became of the images that the stream by positive flips gained."""
    rows = ledger[(ledger["way"] == "flips")]
    gained = rows[rows["gained_stage"].notna() & ~rows["right_before"]]
    lost = rows["right_before"] & ~rows["right_after"]
    return (
        f"Of {len(rows):,} evaluation images of all students the stream gained {len(gained):,}, of which {gained['right_after'].mean():.0%} "
        f"are still right at its end and {gained['teacher_knew'].astype(bool).mean():.0%} were known to the teacher that gave them; "
        f"it lost {lost.sum():,} that were right before."
    )


def main():
    """Write the page and copy its figures."""
    read = {name: read_table(RESULTS / f"{name}.parquet") for name in ("strategies", "stages", "ledger", "streams")}
    strategies, stages = read["strategies"], read["stages"]
    stages["apart"] = stages["apart_gain"] - stages["apart_loss"]
    deltas = by_student(strategies)
    chosen = deltas["single"] - deltas["single_accurate"]
    for figure in FIGURES:
        (Path("docs/images") / "improve").mkdir(exist_ok=True)
        shutil.copyfile(RESULTS / f"figures/{figure}.png", f"docs/images/improve/{figure}.png")
    taught = stages[stages["way"].isin(["flips", "accuracy", "random"])]
    PAGE.write_text(
        template("improve").format(
            finding=finding(deltas, strategies[strategies["strategy"] == "flips"]),
            strategies=strategies_table(strategies),
            students=students_table(strategies, stages),
            stages=stages_table(stages),
            ledger=ledger_sentence(read["ledger"]),
            chosen=with_difference(chosen),
            correlation=f"{taught['apart'].corr(taught['delta'], method='spearman'):.2f}",
            tested=len(taught),
            apart=read["streams"]["apart_images"].iloc[0],
            images=f"{read['streams']['images'].iloc[0]:,}",
            noise=f"{100 * np.sqrt((stages['apart_gain'] + stages['apart_loss']).mean() / read['streams']['apart_images'].iloc[0]):.2f}",
            typical=f"{100 * taught['delta'].abs().median():.2f}",
        )
    )


if __name__ == "__main__":
    main()
