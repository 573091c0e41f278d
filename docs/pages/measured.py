"""Write docs/measured.md: what each method gives on the embedded zoo.

python docs/pages/measured.py, from the repository's root; the page itself says which commands make the tables.
"""

import shutil
from pathlib import Path

import pandas as pd
from format import of_row, table, template

from transfer_atlas.analysis.significance import judge_methods
from transfer_atlas.analysis.summary import summarise_teams
from transfer_atlas.figures.style import method_name
from transfer_atlas.figures.teams import WAY_NAMES
from transfer_atlas.store.tables import read_table

PAGE = Path("docs/measured.md")


def table_of(study, name):
    """One gathered table of a study."""
    return read_table(f"results/{study}/{name}.parquet")


def judge(transfers):
    """One row per method: success, significance and mean delta."""
    against = judge_methods(transfers).set_index(["method", "against"])
    rows = []
    for method, here in transfers.groupby("method", sort=False):
        zero, sure = against.loc[(method, "zero")], here["q"] < 0.05
        labels = against.loc[(method, "labels")] if (method, "labels") in against.index else None
        rows.append(
            {
                "method": method_name(method),
                "transfers": len(here),
                "success (%)": of_row(zero, "success_rate", "{:.0f}"),
                "above labels (%)": "" if labels is None else of_row(labels, "success_rate", "{:.0f}"),
                "significant up, down (%)": f"{_share(sure & (here['delta'] > 0))}, {_share(sure & (here['delta'] < 0))}",
                "mean delta": of_row(zero, "mean_difference"),
                "mean less labels": "" if labels is None else of_row(labels, "mean_difference"),
            }
        )
    return table(pd.DataFrame(rows))


def _share(chosen):
    return f"{100 * chosen.mean():.0f}"


def compare_ways(teams):
    """One row per way in which several teachers teach."""
    rows = []
    for way, row in summarise_teams(teams).iterrows():
        of_teams = {name: round(row["teams"] * row[name]) for name in ("above_mean", "above_best", "above", "below")}
        rows.append(
            {
                "way": WAY_NAMES[way],
                "epochs": round(row["epochs"]),
                "mean delta": f"{100 * row['mean_delta']:+.2f}",
                "one teacher, mean": f"{100 * row['single_mean']:+.2f}",
                "one teacher, best in hindsight": f"{100 * row['single_best']:+.2f}",
                "above mean, best": f"{of_teams['above_mean']}, {of_teams['above_best']}",
                "significantly above, below best": f"{of_teams['above']}, {of_teams['below']}",
            }
        )
    return table(pd.DataFrame(rows))


def compare_norms(sweeps):
    """One row per student and method: mean delta with batch-norm statistics frozen and re-estimated."""
    norms = sweeps[sweeps["key"] == "batch_norm"]
    rows = []
    for (student, method), here in norms.groupby(["student", "method"], sort=False):
        of_value = here.groupby("value")[["delta", "gain", "loss"]].mean() * 100
        rows.append(
            {
                "student": student,
                "method": method_name(method),
                **{
                    f"{value}: delta (gain, loss)": f"{row['delta']:+.2f} ({row['gain']:.2f}, {row['loss']:.2f})"
                    for value, row in of_value.iterrows()
                },
            }
        )
    return table(pd.DataFrame(rows).sort_values("student", kind="stable"))


def main():
    """Write the page and copy its figures."""
    every, embedded = table_of("embedded_methods", "transfers"), table_of("embedded_teams", "transfers")
    teams, sweeps = table_of("embedded_teams", "teams"), table_of("embedded_batch_norm", "sweeps")
    text = template("measured")
    PAGE.write_text(
        text.format(
            pairs=every.dropna(subset=["teacher"])[["student", "teacher"]].drop_duplicates().shape[0],
            methods=judge(every),
            chosen=embedded.dropna(subset=["teacher"])[["student", "teacher"]].drop_duplicates().shape[0],
            more=judge(embedded),
            students=teams["student"].nunique(),
            teams=compare_ways(teams),
            norm_pairs=sweeps.dropna(subset=["teacher"])[["student", "teacher"]].drop_duplicates().shape[0],
            norms=compare_norms(sweeps),
        )
    )
    for study, figure in (("embedded_methods", "delta_matrix"), ("embedded_teams", "teams")):
        shutil.copy(f"results/{study}/figures/{figure}.png", f"docs/images/{figure}.png")


if __name__ == "__main__":
    main()
