# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # Which teacher should I take?
#
# Teachers in the order of what they are expected to give, learned on the transfers done so far; how sure that is; and whether it
# is better than a rule of thumb. Reads the tables of a finished study (`make study`) and nothing else.

# %%
import os
from pathlib import Path

import pandas as pd

from transfer_atlas.analysis.properties import describe_transfers
from transfer_atlas.recommend.check import check_recommendations, noise_ceiling
from transfer_atlas.recommend.job import recommend
from transfer_atlas.store.tables import read_table

os.chdir(next(folder for folder in (Path.cwd(), *Path.cwd().parents) if (folder / "Snakefile").exists()))
RESULTS = Path(os.environ.get("TRANSFER_ATLAS_RESULTS", "results/embedded"))
models = read_table(RESULTS / "models.parquet")

# %% [markdown]
# ## Before any transfer is done
# Then complementarity alone speaks. For any model of the zoo; the first student of the study here.

# %%
student = models["model"].iloc[0]
pairs = read_table(RESULTS / "complementarity.parquet", students=[student])
_, text = recommend(student, pairs, models)
print(text)

# %% [markdown]
# ## After some transfers
# A study of predictions ends here: it has none.

# %%
if not (RESULTS / "transfers.parquet").exists():
    raise SystemExit(f"{RESULTS}: has no transfers yet, or holds predictions alone; what follows learns from transfers")
transfers, covariances = (read_table(RESULTS / f"{table}.parquet") for table in ("transfers", "delta_covariances"))
student = transfers["student"].iloc[0]
pairs = read_table(RESULTS / "complementarity.parquet", students=transfers["student"])
checks = check_recommendations(transfers, pairs, models, covariances)
ranked, text = recommend(student, pairs, models, transfers, checks, covariances)
print(text)

# %%
ranked.groupby("method", sort=False).head(3)[
    ["method", "rank", "teacher", "expected_delta", "expected_low", "expected_high", "measured_delta"]
].round(4)

# %% [markdown]
# ## How much is there to know?
# The share of the variance of the deltas that is more than measurement error: over all pairs, and among the teachers of one student.

# %%
described = describe_transfers(transfers, pairs, models)
pd.DataFrame(
    {
        method: noise_ceiling(rows, covariances[covariances["method"] == method])
        for method, rows in described.groupby("method")
    }
).T.round(4)

# %% [markdown]
# ## Is the recommendation better than a rule of thumb?
# Regret: what the choice costs against the best teacher, on students (teachers) that the model had not seen. `more_regret` is a
# rule's regret less the recommended choice's, which is better where this is above zero by more than 1.96 standard errors.

# %%
checks.set_index(["method", "left_out", "rule"]).round(4)
