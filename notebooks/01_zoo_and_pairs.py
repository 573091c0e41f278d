# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # The zoo and its pairs
#
# Reads the tables of a finished study; `make study` makes them. Opens in Jupyter (with jupytext) and VS Code, and
# runs as a script: `python notebooks/01_zoo_and_pairs.py`.

# %%
import os
from pathlib import Path

from transfer_atlas import read_study
from transfer_atlas.analysis.summary import summarise_methods
from transfer_atlas.figures.complementarity import plot_complementarity
from transfer_atlas.store.tables import read_table

os.chdir(next(folder for folder in (Path.cwd(), *Path.cwd().parents) if (folder / "Snakefile").exists()))
RESULTS = Path(os.environ.get("TRANSFER_ATLAS_RESULTS", "results/embedded"))

# %% [markdown]
# ## How good is each model, and how large?

# %%
models = read_table(RESULTS / "models.parquet").sort_values("accuracy", ascending=False)
models[["model", "family", "parameters", "macs", "accuracy"]]

# %% [markdown]
# ## Who knows most of what a student does not?
# Positive flips: the share of images that the student gets wrong and the teacher right.

# %%
pairs = read_study(RESULTS)["complementarity"]  # in a study of thousands of models: those of a sample
best = pairs.sort_values("positive_flips", ascending=False).groupby("student").head(2).sort_values("student")
best[["student", "teacher", "accuracy_difference", "positive_flips", "flip_entropy"]]

# %%
plot_complementarity(pairs)

# %% [markdown]
# ## Which method hands it over?
# A study of predictions has no transfers, and ends here.

# %%
TRANSFERS = RESULTS / "transfers.parquet"
summarise_methods(read_table(TRANSFERS)).round(4) if TRANSFERS.exists() else "no transfers in this study"
