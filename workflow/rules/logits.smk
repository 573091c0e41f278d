"""Every model looks at every image once.

INPUTS
    <results>/pixels/{split}/{geometry}.npy, weights of the model

OUTPUTS
    compute_logits    <results>/logits/{split}/{model}.npy  float16 [views, images, classes], or the largest of each image
                      <results>/predictions/{split}/{model}.parquet  one row per image
                      <results>/confusions/{model}.npy  float32 [classes, classes], mean softmax per class
    compute_features  <results>/features/transfer/{model}.npy  float16 [views, images, features], where a method needs them

STEPS
    One job serves both splits, because loading a model costs more than a pass over the images. Evaluation images have
    view 0 alone; transfer images have all views of the config, and are shown only to models that learn or teach. Of the
    other models, one whose geometry no other model has decodes its images itself, and they are not stored.
"""

import re
from collections import Counter

VIEWS = {"evaluation": 1, "transfer": config["views"]["count"]}
LEARN_OR_TEACH = (
    set(ZOO)
    if CHOSEN_LATER
    else {pair[role] for pair in PAIRS for role in ("student", "teacher")}
)
# what the comparison of all pairs reads
PREDICTIONS = [f"<results>/predictions/evaluation/{model}.parquet" for model in ZOO]
CLASS_SOURCES = {"confusions": [f"<results>/confusions/{model}.npy" for model in ZOO]}


# not temp(): with one more model of a geometry its images would be decoded again, and its other models computed again
GEOMETRIES = Counter(map(sheet.geometry_name, GEOMETRY.values()))
ALONE = {
    model
    for model in set(ZOO) - LEARN_OR_TEACH
    if GEOMETRIES[sheet.geometry_name(GEOMETRY[model])] == 1
}
KINDS = {
    "logits": LEARN_OR_TEACH,
    "predictions": set(ZOO) - LEARN_OR_TEACH - ALONE,
    "predictions_alone": ALONE,
}


for kind, models in KINDS.items():
    views = VIEWS if kind == "logits" else {"evaluation": VIEWS["evaluation"]}

    if models:

        rule:
            name:
                "compute_logits" if kind == "logits" else f"compute_{kind}"
            input:
                unpack(logits_inputs(views, stored=models is not ALONE)),
            output:
                logits=collect("<results>/logits/{split}/{{model}}.npy", split=views),
                predictions=collect(
                    "<results>/predictions/{split}/{{model}}.parquet", split=views
                ),
                confusions="<results>/confusions/{model}.npy",
            log:
                "<logs>/compute_logits/{model}.log",
            wildcard_constraints:
                model="|".join(map(re.escape, sorted(models))),
            resources:
                mem_mb=growing(4000),
                runtime=growing(240),
                gpu=1,
                tasks=1,
            params:
                model=lambda wildcards: settings_of(wildcards.model),
                views=views,
                passing=passing_of if models is ALONE else None,
                code=code_of("compute_logits"),
            script:
                "../scripts/compute_logits.py"


# a pass of its own, so that a method that compares features can join a study that has its logits
rule compute_features:
    input:
        weights=lambda wildcards: weights_of(wildcards.model),
        pixels=lambda wildcards: pixels_of(wildcards.model, "transfer"),
        index="<results>/images/transfer.parquet",
        predictions="<results>/predictions/evaluation/{model}.parquet",
    output:
        "<results>/features/transfer/{model}.npy",
    log:
        "<logs>/compute_features/{model}.log",
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
        gpu=1,
        tasks=1,
    params:
        model=lambda wildcards: settings_of(wildcards.model),
        views=lookup("views/count", within=config),
        code=code_of("compute_features"),
    script:
        "../scripts/compute_features.py"
