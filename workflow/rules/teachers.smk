"""Teachers that are evaluated in the input of a student; only where a method says teacher_evaluated_on: student_input.

INPUTS
    weights of the teacher; <results>/pixels/evaluation/{geometry}.npy of the student
    <results>/predictions/evaluation/{teacher}.parquet

OUTPUTS
    predict_as_student  <results>/predictions/as_student/{student}/{teacher}.parquet
"""


rule predict_as_student:
    input:
        weights=lambda wildcards: weights_of(wildcards.teacher),
        pixels=lambda wildcards: pixels_of(wildcards.student, "evaluation"),
        predictions="<results>/predictions/evaluation/{teacher}.parquet",
    output:
        "<results>/predictions/as_student/{student}/{teacher}.parquet",
    log:
        "<logs>/predict_as_student/{student}/{teacher}.log",
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
        gpu=1,
        tasks=1,
    params:
        # views play no part, so neither transforms nor the seed
        teacher=lambda wildcards: {
            "row": ZOO[wildcards.teacher],
            "input_size": GEOMETRY[wildcards.student]["input_size"],
            "classes": config["images"]["classes"],
            "inference": config["inference"],
        },
        student=lambda wildcards: ZOO[wildcards.student],
        code=code_of("predict_as_student"),
    script:
        "../scripts/predict_as_student.py"
