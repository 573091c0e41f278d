"""The checked config, what this study makes, and the functions that several rule files share.

INPUTS
    config  the merged config

OUTPUTS
    TABLES, TEXTS, METHODS  what `all` makes, and the methods of the transfers
    write_config            <results>/config.yaml, the config that the run really used
"""

from transfer_atlas.jobs import gpus, lock
from transfer_atlas.study import config as study_config
from transfer_atlas.study.long_params import long_param
from transfer_atlas.study import (
    architectures,
    code,
    contents,
    figures,
    identity,
    improve,
    methods,
    names,
    pairs,
    plan,
    prediction_sources,
    records,
    sheet,
    sources,
    streams,
    targets,
    teams,
)

checked(
    study_config.check_study,
    config,
    study_config.load_schema(workflow_file("schemas/config.schema.yaml")),
)

STUDY = config["study"]
# the first page of the report shows what the study has found
SUMMARY = Path(f"results/{STUDY}/summary.txt")
config["headline"] = SUMMARY.read_text() if SUMMARY.exists() else ""
config["has_page"] = "tables" not in config
ZOO = {}
GEOMETRY = {}
CONTENTS = contents.Contents(".snakemake/transfer_atlas/contents.json")
# several right classes per image, in studies of imported predictions that have them
ACCEPTED = ["<results>/accepted_labels.parquet"] * (
    "accepted_labels" in config.get("predictions", {})
)
METHODS = config.get("transfer", {}).get("methods", {})
STUDENTS_PER_FILE = config.get("complementarity", {}).get("students_per_file")
# a comparison in parts has a sample, which figures and pages show; tables that were handed over may be one
IN_PARTS = STUDENTS_PER_FILE or (
    "tables" in config
    and Path(f"results/{STUDY}/complementarity_sample.parquet").exists()
)

# every table that `all` makes, and whether this study has it
HAS_TABLE = {
    "models": True,
    "classes": True,
    "complementarity": True,
    "flips_by_class": True,
    "pairs": METHODS,
    "transfers": METHODS,
    "histories": METHODS,
    "deltas": METHODS,
    "delta_covariances": METHODS,
    "methods": METHODS,
    "sweeps": "sweep" in config,
    # short transfers whose students are judged on images kept apart
    "choices": "image_share" in config.get("sweep", {})
    and any(method["select_share"] for method in METHODS.values()),
    "teams": "teams" in config,
    **dict.fromkeys(
        ("streams", "stages", "ledger", "strategies"),
        "stream" in config.get("improve", {}),
    ),
    "agreement": "published" in config,
}
TABLES = [table for table, has_it in HAS_TABLE.items() if has_it]
TEXTS = ["<results>/config.yaml", *["<results>/summary.txt"] * bool(METHODS)]
if "tables" in config:
    TABLES, TEXTS = checked(sources.given_tables, f"results/{STUDY}"), []

# one job per GPU, unless --resources gpu=N says otherwise; without GPUs no cap, so that jobs run side by side
if workflow.is_main_process and "gpu" not in workflow.global_resources:
    if gpu_count := len(gpus.list_gpus()):
        workflow.register_resource("gpu", gpu_count)


pathvars:
    results=f"results/{STUDY}",
    logs=f"logs/{STUDY}",


wildcard_constraints:
    model=names.MODEL_NAME,
    student=names.MODEL_NAME,
    teacher=names.MODEL_NAME,
    split="train|transfer|evaluation",
    geometry=r"[\w.-]+",
    table=r"\w+",
    seed=r"\d+",


localrules:
    write_config,


rule write_config:
    output:
        "<results>/config.yaml",
    log:
        "<logs>/write_config.log",
    params:
        config=lambda wildcards: long_param(study_config.used_config(config, ZOO)),
        code=code_of("write_config"),
    script:
        "../scripts/write_config.py"
