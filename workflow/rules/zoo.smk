"""The models: trained here where the sheet says so, and described.

INPUTS
    <results>/images/train.parquet, <results>/pixels/train/{geometry}.npy

OUTPUTS
    train_model   <results>/weights/{model}.safetensors
    describe_zoo  <results>/models.parquet  recipe, size, family and accuracy per model
"""


def recipe_of(wildcards):
    """Training recipe that a model's row names."""
    name = ZOO[wildcards.model]["weights"].removeprefix(study.TRAINED_HERE)
    return config["zoo"]["recipes"][name]


def train_pixels_of(wildcards):
    """Training images in the geometry of a model."""
    return pixels_of(wildcards.model, "train")


def input_size_of(wildcards):
    """Side of a model's input in pixels."""
    return GEOMETRY[wildcards.model]["input_size"]


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
