"""Figures, each a target of its own; every rule reads gathered tables only.

INPUTS
    <results>/models.parquet, <results>/complementarity.parquet, <results>/transfers.parquet

OUTPUTS
    plot_<figure>  <results>/figures/<figure>.pdf and .png
    figures        all of them
"""


localrules:
    figures,


rule plot_complementarity:
    input:
        complementarity=rules.compare_models.output,
        code=figure_code("complementarity"),
    output:
        **figure_files("complementarity"),
    log:
        "<logs>/plot_complementarity.log",
    resources:
        mem_mb=1000,
        runtime=10,
    script:
        "../scripts/plot_complementarity.py"


rule plot_success_rate:
    input:
        transfers=rules.gather_transfers.output,
        code=figure_code("success_rate"),
    output:
        **figure_files("success_rate"),
    log:
        "<logs>/plot_success_rate.log",
    resources:
        mem_mb=1000,
        runtime=10,
    script:
        "../scripts/plot_success_rate.py"


rule plot_transfer_delta:
    input:
        transfers=rules.gather_transfers.output,
        complementarity=rules.compare_models.output,
        code=figure_code("transfer_delta"),
    output:
        **figure_files("transfer_delta"),
    log:
        "<logs>/plot_transfer_delta.log",
    resources:
        mem_mb=1000,
        runtime=10,
    script:
        "../scripts/plot_transfer_delta.py"


rule plot_transfer_rate:
    input:
        transfers=rules.gather_transfers.output,
        models=rules.describe_zoo.output,
        code=figure_code("transfer_rate"),
    output:
        **figure_files("transfer_rate"),
    log:
        "<logs>/plot_transfer_rate.log",
    resources:
        mem_mb=1000,
        runtime=10,
    script:
        "../scripts/plot_transfer_rate.py"


rule figures:
    input:
        rules.plot_complementarity.output,
        rules.plot_success_rate.output,
        rules.plot_transfer_delta.output,
        rules.plot_transfer_rate.output,
