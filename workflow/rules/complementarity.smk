"""All ordered pairs at once, and the pairs that are transferred.

INPUTS
    <results>/predictions/evaluation/{model}.parquet of all models

OUTPUTS
    compare_models  <results>/complementarity.parquet  one row per ordered pair
    select_pairs    <results>/pairs.parquet  the pairs of the transfers, and why
"""


rule compare_models:
    input:
        predictions=collect(
            "<results>/predictions/evaluation/{model}.parquet", model=ZOO
        ),
        code=code("complementarity"),
    output:
        "<results>/complementarity.parquet",
    log:
        "<logs>/compare_models.log",
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        models=list(ZOO),
    script:
        "../scripts/compare_models.py"


localrules:
    select_pairs,


rule select_pairs:
    output:
        "<results>/pairs.parquet",
    log:
        "<logs>/select_pairs.log",
    params:
        pairs=PAIRS,
    script:
        "../scripts/select_pairs.py"
