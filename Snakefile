"""Transfer Atlas: which pretrained image classifier can teach which, and how much of it can be handed over."""

from pathlib import Path

from snakemake.utils import min_version

min_version("9.25")

# not workflow.basedir: that is the outer workflow's, where this one is a module
BASE = Path(workflow.current_basedir)


# a study that is given stands alone; without one, the embedded study
if "study" not in config:

    configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


# a workstation's GPU is one slot; a cluster's scheduler counts its own
resource_scopes:
    gpu="local",


include: "workflow/rules/inputs.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/transfer_inputs.smk"


if "predictions" in config:

    include: "workflow/rules/predictions.smk"
    include: "workflow/rules/complementarity.smk"

elif "images" in config:

    include: "workflow/rules/images.smk"
    include: "workflow/rules/zoo.smk"
    include: "workflow/rules/pairs.smk"
    include: "workflow/rules/logits.smk"
    include: "workflow/rules/teachers.smk"
    include: "workflow/rules/transfer.smk"
    include: "workflow/rules/teams.smk"
    include: "workflow/rules/analysis.smk"
    include: "workflow/rules/complementarity.smk"


include: "workflow/rules/recommend.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        TEXTS,
        [f"<results>/{table}.parquet" for table in TABLES],
        rules.figures.input,
