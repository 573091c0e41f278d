"""What some methods ask of a teacher beside its logits and predictions; nothing where no method does.

INPUTS
    weights of the teacher; <results>/pixels/{split}/{geometry}.npy, <results>/predictions/evaluation/{model}.parquet

OUTPUTS
    compute_features   <results>/features/transfer/{model}.npy  float16 [views, images, features], of teachers by contrast
    answer_as_student  <results>/predictions/as_student/{student}/{teacher}.parquet  evaluation images in the student's input
"""


# only where a method has a contrast: a pass of its own, so that such a method can join a study that has its logits
rule compute_features:
    input:
        unpack(lambda wildcards: inputs_of_transfer(wildcards.model, [])),
        index="<results>/images/transfer.parquet",
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
        code=code_of("compute_features"),
    script:
        "../scripts/compute_features.py"


# only where a method says teacher_evaluated_on: student_input
rule answer_as_student:
    input:
        weights=lambda wildcards: weights_of(wildcards.teacher),
        pixels=lambda wildcards: pixels_of(wildcards.student, "evaluation"),
        predictions="<results>/predictions/evaluation/{teacher}.parquet",
    output:
        "<results>/predictions/as_student/{student}/{teacher}.parquet",
    log:
        "<logs>/answer_as_student/{student}/{teacher}.log",
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
        gpu=1,
        tasks=1,
    params:
        teacher=lambda wildcards: ZOO[wildcards.teacher],
        student=lambda wildcards: ZOO[wildcards.student],
        classes=lookup("images/classes", within=config),
        input_size=lambda wildcards: GEOMETRY[wildcards.student]["input_size"],
        inference=lookup("inference", within=config),
        code=code_of("answer_as_student"),
    script:
        "../scripts/answer_as_student.py"
