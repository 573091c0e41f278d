"""Input and parameter functions of all jobs, from their wildcards."""


def code_of(script, *modules):
    """Digest of the code that makes a job's numbers: its script, `modules` and all that they import."""
    return code.digest_of_code(BASE / f"workflow/scripts/{script}.py", *modules)


def growing(amount):
    """A resource that grows with each attempt: what was killed for too little of it gets more."""
    return lambda wildcards, attempt: amount * attempt


def weights_of(model):
    """Weights file that a model is read from: trained here, fetched from the hub, or local."""
    weights = ZOO[model]["weights"]
    if weights == "hub" or weights.startswith(sheet.TRAINED_HERE):
        return f"<results>/weights/{model}.safetensors"
    return weights


def source_of(wildcards):
    """What of a model's row says where its weights come from."""
    named = ("model", "architecture", "revision", "sha256")
    return {key: cell for key, cell in ZOO[wildcards.model].items() if key in named}


def pixels_of(model, split):
    """Decoded images of a split in the geometry of a model."""
    return f"<results>/pixels/{split}/{sheet.geometry_name(GEOMETRY[model])}.npy"


def check_sources():
    """Refuse to start without images; they are no inputs, and files of predictions are."""
    for split in ("train", "evaluation") if "images" in config else ():
        sources.image_files(config["images"], split)


def images_for(*more):
    """The part of config section `images` that a job depends on: what readers need, and `more` keys."""
    reading = ("root", "train", "evaluation", "evaluation_labels", "held_out")
    columns = ("image_column", "label_column")
    return {key: config["images"][key] for key in (*reading, *columns, *more)}


def geometry_from_name(wildcards):
    """The geometry that a file name stands for."""
    return next(
        g for g in GEOMETRY.values() if sheet.geometry_name(g) == wildcards.geometry
    )


def recipe_of(wildcards):
    """Training recipe that a model's row names."""
    name = ZOO[wildcards.model]["weights"].removeprefix(sheet.TRAINED_HERE)
    return config["zoo"]["recipes"][name]


def train_pixels_of(wildcards):
    """Training images in the geometry of a model."""
    return pixels_of(wildcards.model, "train")


def logits_inputs(splits, stored):
    """Input function of one model's job: its weights, and images and, where they are stored, pixels of the splits."""

    def inputs(wildcards):
        found = {
            "weights": weights_of(wildcards.model),
            "indexes": [f"<results>/images/{split}.parquet" for split in splits],
        }
        if stored:
            found["pixels"] = [pixels_of(wildcards.model, split) for split in splits]
        return found

    return inputs


def passing_of(wildcards):
    """Parameter function: how a model decodes its images itself."""
    return {"images": images_for(), "geometry": GEOMETRY[wildcards.model]}


def class_inputs(wildcards):
    """What similarities of classes come from, besides their names."""
    if config["complementarity"]["class_similarity"] == "text":
        return {}
    return CLASS_SOURCES


def figure_files(name, category):
    """The two files of a figure; the png goes into the report."""
    return {
        "pdf": f"<results>/figures/{name}.pdf",
        "png": report(
            f"<results>/figures/{name}.png",
            caption=f"../report/{name}.rst",
            category=category,
            # beside those of one method or family alone
            subcategory=None if category == "Complementarity" else "whole study",
            labels={"figure": name.replace("_", " ")},
        ),
    }


def group_file(name, category, kind, group):
    """A figure of one method or family alone, in the report beside the whole."""
    return report(
        f"<results>/figures/by_{kind}/{group}/{name}.png",
        caption=f"../report/{name}.rst",
        category=category,
        subcategory=f"by {kind}",
        labels={"figure": name.replace("_", " "), kind: group},
    )
