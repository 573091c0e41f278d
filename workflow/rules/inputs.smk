"""Input and parameter functions of all jobs, from their wildcards."""


def code_of(script, *modules):
    """Digest of the code that makes a job's numbers: its script, `modules` and all that they import."""
    return code.digest_of_code(BASE / f"workflow/scripts/{script}.py", *modules)


def growing(amount):
    """A resource that grows with each attempt: what was killed for too little of it gets more."""
    return lambda wildcards, attempt: amount * attempt


def weights_of(model):
    """Weights file that a model is read from: trained here, local, or none for the hub."""
    weights = ZOO[model]["weights"]
    if weights == "hub":
        return []
    if weights.startswith(sheet.TRAINED_HERE):
        return f"<results>/weights/{model}.safetensors"
    return weights


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


def logits_inputs(splits):
    """Input function of one model's job: its weights, and images and pixels of the splits."""

    def inputs(wildcards):
        return {
            "weights": weights_of(wildcards.model),
            "indexes": [f"<results>/images/{split}.parquet" for split in splits],
            "pixels": [pixels_of(wildcards.model, split) for split in splits],
        }

    return inputs


def all_transfers(wildcards):
    """Files of all transfers; where pairs are chosen later, once they are."""
    if CHOSEN_LATER:
        import pyarrow.parquet  # not at every start

        chosen = checkpoints.choose_pairs.get().output[0]
        found = pyarrow.parquet.read_table(chosen).to_pylist()
    else:
        found = PAIRS
    return [
        f"<results>/transfers/{method}/{student}/{teacher}/{seed}.parquet"
        for method, student, teacher, seed in plan.transfers_of(
            found, METHODS, TEACHER_TARGETS
        )
    ]


def recipes_of(block):
    """Recipes of a block's methods; a seed more is a job more, and no other recipe."""
    recipes = {method: dict(METHODS[method]) for method in block.methods}
    for recipe in recipes.values():
        del recipe["seeds"]
    return recipes


def log_of(block):
    """Log of a block's jobs; with the teacher in it where that is a wildcard."""
    teachers = set(dict(block.targets).values()) & {plan.ANY_TEACHER}
    return "/".join(
        [f"<logs>/transfer_{block.name}", "{student}", *teachers, "{seed}.log"]
    )


def transfer_inputs(block):
    """Input function of one block of transfers; the student comes first in lists."""

    def inputs(wildcards):
        models = [wildcards.student, *block.teachers(wildcards)]
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


def student_of(wildcards):
    """What a transfer depends on besides its files and recipe."""
    return {
        "row": ZOO[wildcards.student],
        "input_size": GEOMETRY[wildcards.student]["input_size"],
        "classes": config["images"]["classes"],
        "views": config["views"]["count"],
        "transforms": config["views"]["transforms"],
        "seed": config["seed"],
    }


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
            labels={"figure": name.replace("_", " ")},
        ),
    }
