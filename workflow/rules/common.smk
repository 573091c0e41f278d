"""The checked config and what all rule files share.

INPUTS
    config  the merged config

OUTPUTS
    CONFIGS, TABLES, SUMMARIES  what this study ends with; the rule files that follow add to them
    TAUGHT, FAMILIES   methods with a teacher, and families of models, that have pages of their own in the report
    write_config       <results>/config.yaml, the config that the run really used
"""

from transfer_atlas.errors import InputError
from transfer_atlas.study import config as study_config
from transfer_atlas.jobs import gpus, lock
from transfer_atlas.study import code, pairs, plan, sheet, sources, teams

SCHEMAS = BASE / "workflow/schemas"
CONFIG_SCHEMA = study_config.load_schema(SCHEMAS / "config.schema.yaml")

try:
    study_config.check_study(config, CONFIG_SCHEMA)
except InputError as error:
    raise WorkflowError(str(error))

STUDY = config["study"]
# what the study has found, for the first page of the report
SUMMARY = Path(f"results/{STUDY}/summary.txt")
config["headline"] = SUMMARY.read_text() if SUMMARY.exists() else ""
ZOO = {}
TABLES = ["models", "classes", "complementarity", "flips_by_class"]
SUMMARIES = []
TAUGHT = []
FAMILIES = ["convolution", "transformer", "mlp"]
CONFIGS = ["<results>/config.yaml"]

# one job per GPU, unless --resources gpu=N says otherwise; without GPUs no cap, so that jobs run side by side
if workflow.is_main_process and "gpu" not in workflow.global_resources:
    if gpu_count := len(gpus.list_gpus()):
        workflow.register_resource("gpu", gpu_count)


pathvars:
    results=f"results/{STUDY}",
    logs=f"logs/{STUDY}",


wildcard_constraints:
    model=r"[\w.]+",
    student=r"[\w.]+",
    split="train|transfer|evaluation",
    geometry=r"[\w.-]+",
    table=r"\w+",
    seed=r"\d+",


# a killed run leaves no lock behind: the kernel holds this one (profiles/default says nolock)
onstart:
    lock.hold_lock(f".snakemake/transfer_atlas/{STUDY}.lock")
    check_sources()


localrules:
    write_config,


rule write_config:
    output:
        "<results>/config.yaml",
    log:
        "<logs>/write_config.log",
    params:
        config=lambda wildcards: study_config.used_config(config, ZOO),
    script:
        "../scripts/write_config.py"
