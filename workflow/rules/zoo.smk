"""The models: trained here where the sheet says so, and described.

INPUTS
    <results>/images/train.parquet, <results>/pixels/train/{geometry}.npy

OUTPUTS
    train_model   <results>/weights/{model}.safetensors
    describe_zoo  <results>/models.parquet  recipe, size, family and accuracy per model
"""


rule train_model:
    input:
        pixels=train_pixels_of,
        index="<results>/images/train.parquet",
        code=code("training", "zoo"),
    output:
        "<results>/weights/{model}.safetensors",
    log:
        "<logs>/train_model/{model}.log",
    resources:
        mem_mb=4000,
        runtime=240,
        gpu=1,
    params:
        row=row_of,
        recipe=recipe_of,
        input_size=input_size_of,
        classes=lookup("images/classes", within=config),
    script:
        "../scripts/train_model.py"


rule describe_zoo:
    input:
        predictions=collect(
            "<results>/predictions/evaluation/{model}.parquet", model=ZOO
        ),
        code=code("zoo"),
    output:
        "<results>/models.parquet",
    log:
        "<logs>/describe_zoo.log",
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        zoo=list(ZOO.values()),
        geometry=GEOMETRY,
        classes=lookup("images/classes", within=config),
    script:
        "../scripts/describe_zoo.py"
