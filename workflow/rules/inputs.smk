"""What a job reads and depends on: functions for all rules, in a file of their own as `snakemake --lint` asks."""

from transfer_atlas.errors import InputError
from transfer_atlas.study import code, sheet


def checked(function, *arguments):
    """Call a function of the package; bad input ends Snakemake with one line."""
    try:
        return function(*arguments)
    except InputError as error:
        raise WorkflowError(str(error))


def workflow_file(path):
    """A file of this workflow on the disk: a copy, where the workflow is a module that Snakemake reads from Git."""
    return code.local_copy(workflow.sourcecache, BASE.join(path))


def code_of(script, *modules):
    """Digest of the code that a job's results depend on: its script, `modules` and all that they import."""
    return code.digest_of_code(workflow_file(f"scripts/{script}.py"), *modules)


def growing(amount):
    """A resource that grows with each attempt: a job that was killed for lack of it gets more."""
    return lambda wildcards, attempt: amount * attempt


def images_for(*more):
    """The part of config section `images` that a job depends on: what readers need, and `more` keys."""
    reading = ("root", "train", "evaluation", "evaluation_labels", "held_out")
    columns = ("image_column", "label_column", "class_order")
    return {key: config["images"][key] for key in (*reading, *columns, *more)}


def pixels_of(model, split):
    """Decoded images of a split in the geometry of a model."""
    return f"<results>/pixels/{split}/{sheet.geometry_name(GEOMETRY[model])}.npy"


def geometry_from_name(wildcards):
    """The geometry that a file name stands for."""
    return next(
        g for g in GEOMETRY.values() if sheet.geometry_name(g) == wildcards.geometry
    )


def weights_of(model):
    """Weights file of a model: trained here, fetched from the hub, or local."""
    weights = ZOO[model]["weights"]
    if weights == "hub" or weights.startswith(sheet.TRAINED_HERE):
        return f"<results>/weights/{model}.safetensors"
    return weights


def settings_of(model):
    """What the logits of a model depend on besides files: the fields of a StudyModel."""
    return {
        # not lookup(): it walks the whole zoo for each model, 40 seconds for a hub
        "row": ZOO[model],
        "input_size": GEOMETRY[model]["input_size"],
        "classes": config["images"]["classes"],
        "transforms": config["views"]["transforms"],
        "seed": config["seed"],
        "inference": config["inference"],
    }


def hub_source(wildcards):
    """Parameter function: the cells of a model's row that say where its weights come from."""
    columns = ("model", "architecture", "revision", "sha256")
    return {key: cell for key, cell in ZOO[wildcards.model].items() if key in columns}


def training_recipe(wildcards):
    """Parameter function: the training recipe that a model's row names."""
    name = ZOO[wildcards.model]["weights"].removeprefix(sheet.TRAINED_HERE)
    return config["zoo"]["recipes"][name]


def logits_inputs(splits, stored):
    """Input function of one model's job; `stored` says whether decoded images are on disk."""

    def inputs(wildcards):
        files = {
            "weights": weights_of(wildcards.model),
            "indexes": [f"<results>/images/{split}.parquet" for split in splits],
        }
        if stored:
            files["pixels"] = [pixels_of(wildcards.model, split) for split in splits]
        return files

    return inputs


def passing_of(wildcards):
    """Parameter function: how a model decodes its images itself."""
    return {
        "images": images_for(),
        "geometry": GEOMETRY[wildcards.model],
        "contents": IMAGE_CONTENTS,
    }


def figure_files(name, category):
    """The two files of a figure; the png goes into the report."""
    return {
        "pdf": f"<results>/figures/{name}.pdf",
        "png": report(
            f"<results>/figures/{name}.png",
            caption=f"../report/{name}.rst",
            category=category,
            # beside the figures of one method or family alone
            subcategory=None if category == "Complementarity" else "whole study",
            labels={"figure": name.replace("_", " ")},
        ),
    }


def group_files(name, category, kind):
    """Folder of a figure of each method or family alone, in the report beside the whole."""
    return report(
        directory(f"<results>/figures/by_{kind}/{name}"),
        patterns=[f"{{{kind}}}.png"],
        caption=f"../report/{name}.rst",
        category=category,
        subcategory=f"by {kind}",
        labels={"figure": name.replace("_", " "), kind: f"{{{kind}}}"},
    )
