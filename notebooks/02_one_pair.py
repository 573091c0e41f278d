# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # One pair in depth
#
# What does this teacher know that the student does not: how much, in which classes, on which images? Reads the results
# of a finished study (`make study`); the images themselves come from its data set, by their ids.

# %%
import io
import os
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import yaml
from PIL import Image

from transfer_atlas import read_study
from transfer_atlas.images.readers import open_images
from transfer_atlas.store.tables import read_table

os.chdir(next(folder for folder in (Path.cwd(), *Path.cwd().parents) if (folder / "Snakefile").exists()))
RESULTS = Path(os.environ.get("TRANSFER_ATLAS_RESULTS", "results/embedded"))

# %% [markdown]
# ## The pair
# Of the pairs that were transferred (of all pairs, in a study of predictions), the one whose teacher is weaker than the student
# and knows most. Name any other two models.

# %%
CHOSEN = RESULTS / "pairs.parquet"
if CHOSEN.exists():
    candidates = read_table(CHOSEN)
    pairs = read_table(RESULTS / "complementarity.parquet", students=candidates["student"])
    candidates = candidates.merge(pairs, on=["student", "teacher"])
else:
    candidates = read_study(RESULTS)["complementarity"]  # in a study of thousands of models: those of a sample
weaker = candidates[candidates["accuracy_difference"] < 0]
chosen = (weaker if len(weaker) else candidates).nlargest(1, "positive_flips").iloc[0]
student, teacher = chosen["student"], chosen["teacher"]
measures = [
    "student_accuracy",
    "teacher_accuracy",
    "positive_flips",
    "negative_flips",
    "error_consistency",
    "independent_flips",
    "oracle_accuracy",
    "effective_classes",
]
chosen[["student", "teacher", *measures]].to_frame("value")

# %% [markdown]
# ## In which classes?
# Share of each class's images on which the student is wrong and the teacher right, and the other way round.

# %%
both = read_table(RESULTS / f"predictions/evaluation/{student}.parquet").merge(
    read_table(RESULTS / f"predictions/evaluation/{teacher}.parquet")[["image", "prediction", "correct", "confidence"]],
    on="image",
    suffixes=("_student", "_teacher"),
)
both["teacher knows"] = ~both["correct_student"] & both["correct_teacher"]
both["student knows"] = both["correct_student"] & ~both["correct_teacher"]
classes = read_table(RESULTS / "classes.parquet")
names = classes["name"].fillna(classes["class"].astype(str)).set_axis(classes["class"])
by_class = both.groupby("label")[["teacher knows", "student knows"]].mean().rename(index=names)
by_class.sort_values("teacher knows", ascending=False).head(15).round(3)

# %%
figure, ax = plt.subplots(figsize=(4, 3.5))
ax.scatter(100 * by_class["student knows"], 100 * by_class["teacher knows"], s=16)
top = 100 * by_class.to_numpy().max() * 1.1
ax.plot([0, top], [0, top], color="grey", linewidth=0.8, linestyle="--")
for name, row in by_class.nlargest(3, "teacher knows").iterrows():
    ax.annotate(
        name, (100 * row["student knows"], 100 * row["teacher knows"]), xytext=(4, 2), textcoords="offset points"
    )
ax.set_xlabel("only the student right (% of the class)")
ax.set_ylabel("only the teacher right (% of the class)")
ax.set_title(f"{teacher} for {student}", fontsize=9)
figure.tight_layout()

# %% [markdown]
# ## Which images?
# Of those that only the teacher gets right, the twelve on which it is surest; beside each what the student takes it for.
# A study of predictions has no images, and shows their ids alone.

# %%
known = both[both["teacher knows"]].nlargest(12, "confidence_teacher")
named = known.assign(label=known["label"].map(names), student_says=known["prediction_student"].map(names))
named[["image", "label", "student_says", "confidence_teacher"]].set_index("image").round(3)

# %%
INDEX = RESULTS / "images/evaluation.parquet"
if INDEX.exists():
    named = named.merge(read_table(INDEX, ["image", "row", "file"]), on="image").sort_values("row")
    images = yaml.safe_load((RESULTS / "config.yaml").read_text())["images"]
    encoded = [data for _, data in open_images(images, "evaluation").encoded(named)]
    figure, axes = plt.subplots(2, 6, figsize=(9, 3.6))
    for ax, data, (_, row) in zip(axes.flat, encoded, named.iterrows(), strict=False):
        picture = Image.open(io.BytesIO(data))
        ax.imshow(picture, cmap="gray" if picture.mode == "L" else None)
        ax.set_title(f"{row['label']}\nnot {row['student_says']}", fontsize=8)
    for ax in axes.flat:
        ax.axis("off")
    figure.tight_layout()

# %% [markdown]
# ## What became of it?
# Each transfer of this pair: what was gained and lost, and which part of what the teacher knew was handed over.

# %%
TRANSFERS = RESULTS / "transfers.parquet"
columns = ["method", "seed", "delta", "delta_standard_error", "gain", "loss", "transfer_rate"]
done = read_table(TRANSFERS) if TRANSFERS.exists() else pd.DataFrame(columns=["student", "teacher", *columns])
done.query("student == @student and teacher == @teacher")[columns].set_index(["method", "seed"]).round(4)
