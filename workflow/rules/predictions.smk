"""Predictions made elsewhere, in place of images, zoo and logits.

INPUTS
    config["predictions"]["files"]  Parquet, CSV or tab-separated files

OUTPUTS
    import_predictions  <results>/predictions/evaluation/{model}.parquet, one row per image
                        <results>/models.parquet, accuracy, exclusions and remarks
                        <results>/classes.parquet, name and images per class
                        <results>/accepted_labels.parquet, where predictions.accepted_labels is given
"""

# a folder: only its job knows which models are in it
PREDICTIONS = "<results>/predictions/evaluation"
CLASS_SOURCES = {"predictions": PREDICTIONS}

PREDICTION_FILES = checked(
    prediction_sources.prediction_files, config["predictions"]["files"]
)
# labels that stand in a file of their own; None where the predictions have them
LABELS_FILE = checked(
    prediction_sources.labels_file, config["predictions"], PREDICTION_FILES
)

COLUMNS = checked(prediction_sources.columns_of, config["predictions"])
# several right classes per image; None where the study has no such file
ACCEPTED_FILE = checked(prediction_sources.accepted_labels_file, config["predictions"])
READ_FILES = [file for file in (LABELS_FILE, ACCEPTED_FILE) if file]


rule import_predictions:
    input:
        files=PREDICTION_FILES,
    output:
        **{"accepted": ACCEPTED[0]} if ACCEPTED else {},
        predictions=directory("<results>/predictions/evaluation"),
        models="<results>/models.parquet",
        classes="<results>/classes.parquet",
    log:
        "<logs>/import_predictions.log",
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        columns=COLUMNS,
        labels=LABELS_FILE,
        accepted_labels=ACCEPTED_FILE,
        image_pattern=config["predictions"].get("image_pattern"),
        contents=CONTENTS.of_files(PREDICTION_FILES + READ_FILES),
        code=code_of("import_predictions"),
    script:
        "../scripts/import_predictions.py"
