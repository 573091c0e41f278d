"""Every model looks at every image once.

INPUTS
    <results>/pixels/{split}/{geometry}.npy, weights of the model

OUTPUTS
    compute_logits  <results>/logits/{split}/{model}.npy  float16 [views, images, classes], or the largest of each image
                    <results>/predictions/{split}/{model}.parquet  one row per image
                    <results>/confusions/{model}.npy  float32 [classes, classes], mean softmax per class

STEPS
    One job serves both splits, because loading a model costs more than asking it. Evaluation images have view 0
    alone; transfer images have all views of the config, and are shown to models that learn or teach only. Of the others,
    one whose geometry no other model has decodes its images itself, and they are not stored.
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


# not temp(): one more model of a geometry would have its images decoded anew and all its other models asked again
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
                # not lookup(): it walks the whole zoo for each model, 40 seconds for a hub
                row=lambda wildcards: ZOO[wildcards.model],
                input_size=lambda wildcards: GEOMETRY[wildcards.model]["input_size"],
                classes=lookup("images/classes", within=config),
                views=views,
                passing=passing_of if models is ALONE else None,
                transforms=lookup("views/transforms", within=config),
                seed=lookup("seed", within=config),
                inference=lookup("inference", within=config),
                code=code_of("compute_logits"),
            script:
                "../scripts/compute_logits.py"
