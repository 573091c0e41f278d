"""All ordered pairs at once, and the pairs that are transferred.

INPUTS
    <results>/predictions/evaluation/{model}.parquet of all models, <results>/classes.parquet
    <results>/confusions/{model}.npy of all models

OUTPUTS
    embed_classes   <results>/class_embeddings.npy  float32 [classes, dims]; cosines of rows are similarities
    compare_models  <results>/complementarity.parquet  one row per ordered pair
                    <results>/flips_by_class.parquet  one row per class for the example pairs
    select_pairs    <results>/pairs.parquet  the pairs of the transfers, and why
"""


rule embed_classes:
    input:
        unpack(class_inputs),
        classes="<results>/classes.parquet",
        code=code("classes"),
    output:
        "<results>/class_embeddings.npy",
    log:
        "<logs>/embed_classes.log",
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        text_model=(
            lookup("complementarity/text_model", within=config)
            if config["complementarity"]["class_similarity"] == "text"
            else None
        ),
    script:
        "../scripts/embed_classes.py"


rule compare_models:
    input:
        predictions=ALL_PREDICTIONS,
        embeddings=rules.embed_classes.output,
        code=code("complementarity", "kernels", "predictions"),
    output:
        complementarity="<results>/complementarity.parquet",
        flips_by_class="<results>/flips_by_class.parquet",
    log:
        "<logs>/compare_models.log",
    threads: 8
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        examples=lookup("complementarity/examples", within=config),
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
