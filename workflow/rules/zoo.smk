"""The models: trained here where the sheet says so, and described.

INPUTS
    config["zoo"]["sheet"]  one row per model
    <results>/images/train.parquet, <results>/pixels/train/{geometry}.npy

OUTPUTS
    ZOO, GEOMETRY  the checked rows, and the evaluation geometry of each model
    fetch_weights  <results>/weights/{model}.safetensors  of the hub, where the study is started
    train_model   <results>/weights/{model}.safetensors
    describe_zoo  <results>/models.parquet  recipe, size, family and accuracy per model
"""

import re

ZOO |= checked(
    sheet.read_zoo,
    config["zoo"]["sheet"],
    study_config.load_schema(workflow_file("schemas/zoo.schema.yaml")),
    config["zoo"]["recipes"],
)
if workflow.is_main_process and config["on_error"] == "fail":
    checked(architectures.check_architectures, ZOO, config["zoo"]["sheet"])
for row in ZOO.values():
    # a network or weights of the user's own: what depends on the row depends on their content
    if ":" in row["architecture"]:
        row["module_content"] = contents.module_digest(row["architecture"])
    if Path(row["weights"]).is_file():
        row["weights_content"] = CONTENTS.of_large_file(row["weights"])
GEOMETRY |= {
    model: checked(
        sheet.geometry_of, row, config.get("geometry", {}), config["zoo"]["sheet"]
    )
    for model, row in ZOO.items()
}
TRAINED = [
    model for model in ZOO if ZOO[model]["weights"].startswith(sheet.TRAINED_HERE)
]
FETCHED = [model for model in ZOO if ZOO[model]["weights"] == "hub"]


rule fetch_weights:
    output:
        "<results>/weights/{model}.safetensors",
    log:
        "<logs>/fetch_weights/{model}.log",
    wildcard_constraints:
        model="|".join(map(re.escape, FETCHED)) or "none",
    localrule: True
    params:
        row=hub_source,
        classes=lookup("images/classes", within=config),
        code=code_of("fetch_weights"),
    script:
        "../scripts/fetch_weights.py"


rule train_model:
    input:
        pixels=lambda wildcards: pixels_of(wildcards.model, "train"),
        index="<results>/images/train.parquet",
    output:
        "<results>/weights/{model}.safetensors",
    log:
        "<logs>/train_model/{model}.log",
    wildcard_constraints:
        model="|".join(map(re.escape, TRAINED)) or "none",
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
        gpu=1,
        tasks=1,
    params:
        row=lambda wildcards: ZOO[wildcards.model],
        recipe=training_recipe,
        input_size=lambda wildcards: GEOMETRY[wildcards.model]["input_size"],
        classes=lookup("images/classes", within=config),
        code=code_of("train_model"),
    script:
        "../scripts/train_model.py"


rule describe_zoo:
    input:
        predictions=collect(
            "<results>/predictions/evaluation/{model}.parquet", model=ZOO
        ),
    output:
        "<results>/models.parquet",
    log:
        "<logs>/describe_zoo.log",
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        zoo=long_param(list(ZOO.values())),
        geometry=long_param(GEOMETRY),
        classes=lookup("images/classes", within=config),
        code=code_of("describe_zoo"),
    script:
        "../scripts/describe_zoo.py"
