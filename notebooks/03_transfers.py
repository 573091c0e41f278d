# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # Transfers, and what explains them
#
# Which method hands knowledge over, and with which properties of student and teacher does it go? Reads the tables of a finished
# study (`make study`) and nothing else.

# %%
import os
from pathlib import Path

import pandas as pd

from transfer_atlas.analysis.properties import correlate, describe_transfers
from transfer_atlas.analysis.summary import summarise_methods
from transfer_atlas.figures.delta_by_property import plot_delta_by_property
from transfer_atlas.figures.gain_loss import plot_gain_loss
from transfer_atlas.figures.property_correlation import plot_property_correlation
from transfer_atlas.figures.success_rate import plot_success_rate
from transfer_atlas.figures.transfer_delta import plot_transfer_delta
from transfer_atlas.store.tables import read_table

os.chdir(next(folder for folder in (Path.cwd(), *Path.cwd().parents) if (folder / "Snakefile").exists()))
RESULTS = Path(os.environ.get("TRANSFER_ATLAS_RESULTS", "results/embedded"))
if not (RESULTS / "transfers.parquet").exists():
    raise SystemExit(f"{RESULTS}: has no transfers yet, or holds predictions alone; notebooks 01 and 02 show its pairs")
transfers, models = (read_table(RESULTS / f"{table}.parquet") for table in ("transfers", "models"))
pairs = read_table(RESULTS / "complementarity.parquet", students=transfers["student"])

# %% [markdown]
# ## Method by method, beside the controls
# A gain that a control also reaches is not transfer.

# %%
summarise_methods(transfers).round(4)

# %%
plot_success_rate(transfers)

# %%
plot_transfer_delta(transfers, pairs)

# %% [markdown]
# ## What is gained, and what is lost for it?

# %%
plot_gain_loss(transfers, models)

# %% [markdown]
# ## With which properties does the delta go?
# Spearman's rho for numbers, eta for families, with intervals from drawing students anew.

# %%
described = describe_transfers(transfers, pairs, models)
tables = {method: correlate(rows).set_index("property")["value"] for method, rows in described.groupby("method")}
pd.DataFrame(tables).round(2)

# %%
plot_property_correlation(transfers, pairs, models)

# %%
plot_delta_by_property(transfers, models)

# %% [markdown]
# ## Which part of what the teacher knew was handed over?

# %%
rates = [column for column in transfers if column.endswith("transfer_rate")]
transfers.dropna(subset=["teacher"]).groupby("method", sort=False)[rates].mean().round(3)
