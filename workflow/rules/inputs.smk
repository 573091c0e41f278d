"""Input and parameter functions of all jobs, from their wildcards."""


def code(*modules):
    """Modules whose numbers a job writes; an edit of one makes the job run again."""
    package = Path(workflow.basedir) / "src/transfer_atlas"
    return [str(package / f"{module}.py") for module in modules]


def files_of(wildcards):
    """Data files of a split; the transfer images are training images."""
    return FILES["evaluation" if wildcards.split == "evaluation" else "train"]


def row_of(wildcards):
    """Zoo row of a model."""
    return ZOO[wildcards.model]


def weights_of(model):
    """Weights file that a model is read from: trained here, local, or none for the hub."""
    weights = ZOO[model]["weights"]
    if weights == "hub":
        return []
    if weights.startswith(study.TRAINED_HERE):
        return f"<results>/weights/{model}.safetensors"
    return weights


def pixels_of(model, split):
    """Decoded images of a split in the geometry of a model."""
    return f"<results>/pixels/{split}/{study.geometry_name(GEOMETRY[model])}.npy"


def geometry_from_name(wildcards):
    """The geometry that a file name stands for."""
    return next(
        g for g in GEOMETRY.values() if study.geometry_name(g) == wildcards.geometry
    )


def recipe_of(wildcards):
    """Training recipe that a model's row names."""
    name = ZOO[wildcards.model]["weights"].removeprefix(study.TRAINED_HERE)
    return config["zoo"]["recipes"][name]


def train_pixels_of(wildcards):
    """Training images in the geometry of a model."""
    return pixels_of(wildcards.model, "train")


def input_size_of(wildcards):
    """Side of a model's input in pixels."""
    return GEOMETRY[wildcards.model]["input_size"]


def logits_inputs(wildcards):
    """Weights, images and pixels of one model."""
    return {
        "weights": weights_of(wildcards.model),
        "indexes": [f"<results>/images/{split}.parquet" for split in VIEWS],
        "pixels": [pixels_of(wildcards.model, split) for split in VIEWS],
    }


def class_inputs(wildcards):
    """What similarities of classes come from, besides their names."""
    if config["complementarity"]["class_similarity"] == "text":
        return {}
    if IMPORTED:
        return {"predictions": ALL_PREDICTIONS}
    return {"confusions": [f"<results>/confusions/{model}.npy" for model in ZOO]}


def recipe_of_method(method):
    """A method with the recipe that all methods share."""
    shared = {key: config["transfer"][key] for key in TRANSFER_DEFAULTS}
    return {**shared, **config["transfer"]["methods"][method]}


def teachers_of(targets):
    """Teachers of one block of (method, teacher)."""
    return sorted({teacher for _, teacher in targets} - {pairs.NO_TEACHER})


def transfer_inputs(targets):
    """Input function of one block of (method, teacher); the student comes first in lists."""

    def inputs(wildcards):
        models = [wildcards.student, *teachers_of(targets)]
        return {
            "weights": weights_of(wildcards.student),
            "transfer_pixels": pixels_of(wildcards.student, "transfer"),
            "evaluation_pixels": pixels_of(wildcards.student, "evaluation"),
            "logits": [f"<results>/logits/transfer/{model}.npy" for model in models],
            "predictions": [
                f"<results>/predictions/evaluation/{model}.parquet" for model in models
            ],
        }

    return inputs


def student_row(wildcards):
    """Zoo row of a student."""
    return ZOO[wildcards.student]


def student_input_size(wildcards):
    """Side of a student's input in pixels."""
    return GEOMETRY[wildcards.student]["input_size"]


def figure_files(name, category):
    """The two files of a figure; the png goes into the report."""
    return {
        "pdf": f"<results>/figures/{name}.pdf",
        "png": report(
            f"<results>/figures/{name}.png",
            caption=f"../report/{name}.rst",
            category=category,
            labels={"figure": name.replace("_", " ")},
        ),
    }


def figure_code(name):
    """The module of a figure and the style that all share."""
    return code(f"figures/{name}", "figures/style")
