"""Every model looks at every image once.

INPUTS
    <results>/pixels/{split}/{geometry}.npy, weights of the model

OUTPUTS
    compute_logits  <results>/logits/{split}/{model}.npy  float16 [views, images, classes]
                    <results>/predictions/{split}/{model}.parquet  one row per image
                    <results>/confusions/{model}.npy  float32 [classes, classes], mean softmax per class

STEPS
    One job serves both splits, because loading a model costs more than asking it. Evaluation images have view 0
    alone; transfer images have all views of the config.
"""

VIEWS = {"evaluation": 1, "transfer": config["views"]["count"]}
# what the comparison of all pairs reads
PREDICTIONS = [f"<results>/predictions/evaluation/{model}.parquet" for model in ZOO]
CLASS_SOURCES = {"confusions": [f"<results>/confusions/{model}.npy" for model in ZOO]}


rule compute_logits:
    input:
        unpack(logits_inputs),
    output:
        logits=collect("<results>/logits/{split}/{{model}}.npy", split=VIEWS),
        predictions=collect(
            "<results>/predictions/{split}/{{model}}.parquet", split=VIEWS
        ),
        confusions="<results>/confusions/{model}.npy",
    log:
        "<logs>/compute_logits/{model}.log",
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
        gpu=1,
        tasks=1,
    params:
        row=lookup("{model}", within=ZOO),
        input_size=lookup("{model}/input_size", within=GEOMETRY),
        classes=lookup("images/classes", within=config),
        views=VIEWS,
        transforms=lookup("views/transforms", within=config),
        seed=lookup("seed", within=config),
        code=code_of("compute_logits"),
    script:
        "../scripts/compute_logits.py"
