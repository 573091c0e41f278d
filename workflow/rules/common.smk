"""The checked study and what several rule files share.

INPUTS
    config                  the merged config
    config["zoo"]["sheet"]  one row per model

OUTPUTS
    ZOO, PAIRS, FILES, GEOMETRY, VIEWS, BLOCKS, ALL_TRANSFERS
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
