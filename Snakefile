"""Transfer Atlas in its own repository. The workflow is workflow/Snakefile, where tools that deploy workflows look for it."""


include: "workflow/Snakefile"


# Snakemake takes no default target from an included file
workflow.default_target = "all"
