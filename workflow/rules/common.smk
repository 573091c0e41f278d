"""The checked study and what several rule files share.

INPUTS
    config                  the merged config
    config["zoo"]["sheet"]  one row per model

OUTPUTS
    IMPORTED, PREDICTION_FILES, ZOO, PAIRS, FILES, GEOMETRY, VIEWS, BLOCKS, ALL_TRANSFERS
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
    # answers made elsewhere need neither images nor networks
    IMPORTED = "predictions" in config
    if IMPORTED:
        ZOO, PAIRS = {}, []
        PREDICTION_FILES = study.prediction_files(config["predictions"]["files"])
    else:
        ZOO = study.read_zoo(
            config["zoo"]["sheet"],
            study.load_schema(SCHEMAS / "zoo.schema.yaml"),
            config["zoo"]["recipes"],
        )
        PAIRS = pairs.choose_pairs(config["pairs"], ZOO)
        FILES = {
            split: study.dataset_files(
                config["images"]["root"], config["images"][split]
            )
            for split in ("train", "evaluation")
        }
except InputError as error:
    raise WorkflowError(str(error))

GEOMETRY = {
    model: study.geometry_of(row, config["geometry"]) for model, row in ZOO.items()
}
# views that every model answers, by split
VIEWS = {"evaluation": 1, "transfer": config["views"]["count"]}

# a folder where only its job knows which models are in it
ALL_PREDICTIONS = (
    "<results>/predictions/evaluation"
    if IMPORTED
    else [f"<results>/predictions/evaluation/{model}.parquet" for model in ZOO]
)

TRANSFER_DEFAULTS = (
    "epochs",
    "batch_size",
    "lr",
    "momentum",
    "weight_decay",
    "batch_norm",
)
BLOCKS = pairs.transfer_blocks(
    PAIRS, config["transfer"]["methods"], config["transfer"]["pairs_per_job"]
)
ALL_TRANSFERS = [
    f"<results>/transfers/{method}/{student}/{teacher}/{seed}.parquet"
    for students, targets in BLOCKS
    for method, teacher in targets
    for student in students
    for seed in config["transfer"]["seeds"]
]


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
