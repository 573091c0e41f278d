"""Transfer Atlas: which pretrained image classifier can teach which, and how much of it can be handed over."""

import sys
from pathlib import Path

from snakemake.settings.enums import Quietness
from snakemake.utils import min_version

from transfer_atlas.study.call import check_call, check_repeated_keys
from transfer_atlas.study.progress import TimeLeft

min_version("9.25")

# not workflow.basedir: that is the outer workflow's, where this one is a module
BASE = Path(workflow.current_basedir)


include: "workflow/rules/inputs.smk"


checked(check_call, config, sys.argv)
checked(check_repeated_keys, workflow.configfiles)

# a study that is given stands alone; without any config, the embedded study
if not config:

    configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


# a workstation's GPU is one slot; a cluster's scheduler counts its own
resource_scopes:
    gpu="local",


include: "workflow/rules/common.smk"
include: "workflow/rules/transfer_inputs.smk"
include: "workflow/rules/improve_inputs.smk"
include: "workflow/rules/recommend_inputs.smk"


if "predictions" in config:

    include: "workflow/rules/predictions.smk"
    include: "workflow/rules/complementarity.smk"
    include: "workflow/rules/page.smk"

elif "images" in config:

    include: "workflow/rules/images.smk"
    include: "workflow/rules/zoo.smk"
    include: "workflow/rules/pairs.smk"
    include: "workflow/rules/logits.smk"
    include: "workflow/rules/teachers.smk"
    include: "workflow/rules/transfer.smk"
    include: "workflow/rules/teams.smk"
    include: "workflow/rules/streams.smk"
    include: "workflow/rules/improve.smk"
    include: "workflow/rules/analysis.smk"
    include: "workflow/rules/complementarity.smk"
    include: "workflow/rules/page.smk"


include: "workflow/rules/results_folder.smk"
include: "workflow/rules/recommend.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


if workflow.is_main_process:
    checked(
        targets.check_targets,
        sys.argv,
        STUDY,
        {
            "figures": DRAWN,
            "tables": [*TABLES, "zoo_predictions"],
            "methods": METHODS,
            "models": ZOO,
        },
    )
    hidden = {Quietness.PROGRESS, Quietness.ALL} & set(
        workflow.output_settings.quiet or ()
    )
    if not workflow.dryrun and not hidden:
        logger.addHandler(TimeLeft())


rule all:
    default_target: True
    input:
        TEXTS,
        [f"<results>/{table}.parquet" for table in TABLES],
        rules.figures.input,
        kept_weights,
