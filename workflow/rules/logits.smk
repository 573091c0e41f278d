"""Every model looks at every image once.

INPUTS
    <results>/pixels/{split}/{geometry}.npy, weights of the model

OUTPUTS
    compute_logits  <results>/logits/{split}/{model}.npy  float16 [views, images, classes], or the largest of each image
                    <results>/predictions/{split}/{model}.parquet  one row per image
                    <results>/confusions/{model}.npy  float32 [classes, classes], mean softmax per class

STEPS
    One job serves both splits, because loading a model costs more than asking it. Evaluation images have view 0
    alone; transfer images have all views of the config, and are shown to models that learn or teach only.
"""

import re

VIEWS = {"evaluation": 1, "transfer": config["views"]["count"]}
LEARN_OR_TEACH = (
    set(ZOO)
    if CHOSEN_LATER
    else {pair[role] for pair in PAIRS for role in ("student", "teacher")}
)
# what the comparison of all pairs reads
PREDICTIONS = [f"<results>/predictions/evaluation/{model}.parquet" for model in ZOO]
CLASS_SOURCES = {"confusions": [f"<results>/confusions/{model}.npy" for model in ZOO]}


for learns_or_teaches in (True, False):
    views = VIEWS if learns_or_teaches else {"evaluation": VIEWS["evaluation"]}
    models = [model for model in ZOO if (model in LEARN_OR_TEACH) == learns_or_teaches]

    if models:

        rule:
            name:
                "compute_logits" if learns_or_teaches else "compute_predictions"
            input:
                unpack(logits_inputs(views)),
            output:
                logits=collect("<results>/logits/{split}/{{model}}.npy", split=views),
                predictions=collect(
                    "<results>/predictions/{split}/{{model}}.parquet", split=views
                ),
                confusions="<results>/confusions/{model}.npy",
            log:
                "<logs>/compute_logits/{model}.log",
            wildcard_constraints:
                model="|".join(map(re.escape, models)),
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
                transforms=lookup("views/transforms", within=config),
                seed=lookup("seed", within=config),
                inference=lookup("inference", within=config),
                code=code_of("compute_logits"),
            script:
                "../scripts/compute_logits.py"
