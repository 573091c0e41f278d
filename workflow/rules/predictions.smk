"""Answers made elsewhere, in place of images, zoo and logits.

INPUTS
    config["predictions"]["files"]  Parquet, CSV or tab-separated files

OUTPUTS
    import_predictions  <results>/predictions/evaluation/{model}.parquet, one row per image
                        <results>/models.parquet, accuracy, exclusions and remarks
                        <results>/classes.parquet, name and images per class
"""


rule import_predictions:
    input:
        files=PREDICTION_FILES,
        code=code("predictions"),
    output:
        predictions=directory("<results>/predictions/evaluation"),
        models="<results>/models.parquet",
        classes="<results>/classes.parquet",
    log:
        "<logs>/import_predictions.log",
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        columns=lookup("predictions/columns", within=config),
        on_error=lookup("on_error", within=config),
    script:
        "../scripts/import_predictions.py"
