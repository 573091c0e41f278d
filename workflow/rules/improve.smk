"""An improved student, chosen on transfer images kept apart; made where it is asked for.

INPUTS
    <results>/improve/{method}/{student}/{teacher}/{seed}.parquet and .safetensors  the transfers that are tried
    <results>/streams/flips/{student}/{seed}.parquet and .safetensors  where the study has streams of teachers

OUTPUTS
    improve  <results>/students/{student}  weights and config as timm loads them, and a model card

STEPS
    The transfer or stream that is most accurate on the images kept apart is chosen, and evaluated once on the evaluation images.
"""


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
