"""Transfer Atlas: which pretrained image classifier can teach which, and how much of it can be handed over."""

from snakemake.utils import min_version

min_version("9.25")


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


# used only with --sdm apptainer
container: "docker://condaforge/miniforge3:25.3.1-0"


# a workstation's GPU is one slot; a cluster's scheduler counts its own
resource_scopes:
    gpu="local",


include: "workflow/rules/common.smk"
include: "workflow/rules/inputs.smk"


if IMPORTED:

    include: "workflow/rules/predictions.smk"

else:

    include: "workflow/rules/data.smk"
    include: "workflow/rules/zoo.smk"
    include: "workflow/rules/logits.smk"
    include: "workflow/rules/transfer.smk"


include: "workflow/rules/complementarity.smk"
include: "workflow/rules/figures.smk"


rule all:
    default_target: True
    input:
        rules.write_config.output,
        "<results>/models.parquet",
        [] if IMPORTED else ["<results>/pairs.parquet", "<results>/summary.txt"],
        rules.figures.input,
