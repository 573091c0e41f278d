"""All ordered pairs at once.

INPUTS
    PREDICTIONS    predictions of all models on the evaluation images
    CLASS_SOURCES  what similarities of classes come from
    <results>/classes.parquet

OUTPUTS
    embed_classes   <results>/class_embeddings.npy  float32 [classes, dims]; cosines of rows are similarities
    compare_models  <results>/complementarity.parquet  one row per ordered pair; a folder of parts, each with all pairs of
                    some students, where the config names their number: then also complementarity_sample.parquet
                    <results>/flips_by_class.parquet  one row per class for the example pairs
    share_predictions  <results>/zoo_predictions.parquet  predictions of all models in one file; where it is asked for
"""

SAME_NETWORK = config["complementarity"]["same_network"]
if ZOO:  # of imported predictions only the job knows the models
    checked(pairs.check_same_network, SAME_NETWORK, ZOO)

BY_NAMES = config["complementarity"]["class_similarity"] == "text"


rule embed_classes:
    input:
        # from the names of the classes alone, or from what the models predict for them
        **{} if BY_NAMES else CLASS_SOURCES,
        classes="<results>/classes.parquet",
    output:
        "<results>/class_embeddings.npy",
    log:
        "<logs>/embed_classes.log",
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        text_model=(
            lookup("complementarity/text_model", within=config) if BY_NAMES else None
        ),
        code=code_of("embed_classes"),
    script:
        "../scripts/embed_classes.py"


rule compare_models:
    input:
        predictions=PREDICTIONS,
        embeddings=rules.embed_classes.output,
        accepted=ACCEPTED,
    output:
        **(
            {
                "complementarity": directory("<results>/complementarity.parquet"),
                "sample": "<results>/complementarity_sample.parquet",
            }
            if STUDENTS_PER_FILE
            else {"complementarity": "<results>/complementarity.parquet"}
        ),
        flips_by_class="<results>/flips_by_class.parquet",
    log:
        "<logs>/compare_models.log",
    # a second core gains nothing where pairs are few, and the job would wait for it
    threads: 1 if 0 < len(ZOO) < 100 else 4
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        examples=lookup("complementarity/examples", within=config),
        same_network=SAME_NETWORK,
        students_per_file=STUDENTS_PER_FILE,
        code=code_of("compare_models"),
    script:
        "../scripts/compare_models.py"


rule share_predictions:
    input:
        predictions=PREDICTIONS,
        classes="<results>/classes.parquet",
    output:
        "<results>/zoo_predictions.parquet",
    log:
        "<logs>/share_predictions.log",
    localrule: True
    resources:
        mem_mb=growing(3000),
        runtime=growing(30),
    params:
        code=code_of("share_predictions"),
    script:
        "../scripts/share_predictions.py"
