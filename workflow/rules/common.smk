"""The checked study and what several rule files share.

INPUTS
    config                  the merged config
    config["zoo"]["sheet"]  one row per model

OUTPUTS
    write_config  <results>/config.yaml, the config that the run really used
"""

from pathlib import Path

from transfer_atlas import pairs, study
from transfer_atlas.errors import InputError

SCHEMAS = Path(workflow.basedir) / "workflow/schemas"
# a killed run leaves no lock behind: the kernel holds this one (profiles/default says nolock)
RUN_LOCK = Path(".snakemake/transfer_atlas.lock")

try:
    study.check_study(config, study.load_schema(SCHEMAS / "config.schema.yaml"))
    ZOO = study.read_zoo(
        config["zoo"]["sheet"],
        study.load_schema(SCHEMAS / "zoo.schema.yaml"),
        config["zoo"]["recipes"],
    )
    PAIRS = pairs.choose_pairs(config["pairs"], ZOO)
    FILES = {
        split: study.dataset_files(config["images"]["root"], config["images"][split])
        for split in ("train", "evaluation")
    }
except InputError as error:
    raise WorkflowError(str(error))

GEOMETRY = {
    model: study.geometry_of(row, config["geometry"]) for model, row in ZOO.items()
}
# views that every model answers, by split
VIEWS = {"evaluation": 1, "transfer": config["views"]["count"]}


pathvars:
    results=f"results/{config['study']}",
    logs=f"logs/{config['study']}",


wildcard_constraints:
    model=r"[\w.]+",
    student=r"[\w.]+",
    split="train|transfer|evaluation",
    geometry=r"[\w.-]+",
    seed=r"\d+",


onstart:
    study.hold_lock(RUN_LOCK)


def code(*modules):
    """Modules whose numbers a rule writes: an edit of one reruns the rule."""
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


localrules:
    write_config,


rule write_config:
    output:
        "<results>/config.yaml",
    log:
        "<logs>/write_config.log",
    params:
        config=config,
    script:
        "../scripts/write_config.py"
