"""An improved student, chosen on transfer images kept apart; made where it is asked for.

INPUTS
    <results>/improve/{method}/{student}/{teacher}/{seed}.parquet and .safetensors  the transfers that are tried
    config["improve"]["teams"], and what transfers read, where teams are tried
    <results>/streams/flips/{student}/{seed}.parquet and .safetensors  where the study has streams of teachers

OUTPUTS
    improve       <results>/students/{student}  weights and config as timm loads them, and a model card
    improve_team  <results>/improve/teams/{method}/{student}/{team}/{seed}.parquet and .safetensors

STEPS
    The transfer, team or stream that is most accurate on the images kept apart is chosen, and evaluated once on the evaluation images.
"""

import re

if IMPROVE_TEAMS:

    rule improve_team:
        input:
            unpack(improve_team_inputs),
            index="<results>/images/transfer.parquet",
        output:
            table="<results>/improve/teams/{method}/{student}/{team}/{seed}.parquet",
            weights="<results>/improve/teams/{method}/{student}/{team}/{seed}.safetensors",
        log:
            "<logs>/improve_team/{method}/{student}/{team}/{seed}.log",
        wildcard_constraints:
            method="|".join(map(re.escape, IMPROVE_METHODS)),
            team="|".join(map(re.escape, config["improve"]["teams"])),
        resources:
            mem_mb=growing(4000),
            runtime=growing(480),
            gpu=1,
            tasks=1,
            slurm_extra="--signal=TERM@120",
        params:
            way="parallel",
            teachers=lambda wildcards: config["improve"]["teams"][wildcards.team],
            method=lambda wildcards: wildcards.method,
            recipe=lambda wildcards: methods.recipe(IMPROVE_METHODS[wildcards.method]),
            student=lambda wildcards: trained_settings(wildcards.student),
            code=code_of("team"),
        script:
            "../scripts/team.py"


rule improve:
    input:
        unpack(improve_inputs),
        classes="<results>/classes.parquet",
        index="<results>/images/transfer.parquet",
    output:
        directory("<results>/students/{student}"),
    log:
        "<logs>/improve/{student}.log",
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
        gpu=1,
        tasks=1,
    params:
        student=lambda wildcards: trained_settings(wildcards.student),
        geometry=lambda wildcards: GEOMETRY[wildcards.student],
        share=lookup("improve/select_share", within=config),
        candidates=improve.candidates_of(IMPROVE_METHODS),
        models=models_to_try,
        code=code_of("improve"),
    script:
        "../scripts/improve.py"
