"""Students learn from answers on disk; one rule per block of transfers that share a process.

INPUTS
    <results>/logits/transfer/{model}.npy of student and teachers, <results>/pixels/{split}/{geometry}.npy
    <results>/predictions/evaluation/{model}.parquet of student and teachers, weights of the student

OUTPUTS
    transfer_knowledge_<n>  <results>/transfers/{method}/{student}/{teacher}/{seed}.parquet
    gather_transfers        <results>/transfers.parquet
    summarise_transfers     <results>/summary.txt

STEPS
    Importing torch and timm takes longer than a small transfer, so transfer.pairs_per_job transfers of one student
    and method share a process; each still writes its own file, and each file is a target. The teacher of the
    controls is called `none`.
"""

import re

TRANSFER_DEFAULTS = (
    "epochs",
    "batch_size",
    "lr",
    "momentum",
    "weight_decay",
    "batch_norm",
)
BLOCKS = pairs.transfer_blocks(
    PAIRS, config["transfer"]["methods"], config["transfer"]["pairs_per_job"]
)


def recipe_of_method(method):
    """A method with the recipe that all methods share."""
    shared = {key: config["transfer"][key] for key in TRANSFER_DEFAULTS}
    return {**shared, **config["transfer"]["methods"][method]}


def teachers_of(targets):
    """Teachers of one block of (method, teacher)."""
    return sorted({teacher for _, teacher in targets} - {pairs.NO_TEACHER})


def transfer_inputs(targets):
    """Input function of one block of (method, teacher); the student comes first in lists."""

    def inputs(wildcards):
        models = [wildcards.student, *teachers_of(targets)]
        return {
            "weights": weights_of(wildcards.student),
            "transfer_pixels": pixels_of(wildcards.student, "transfer"),
            "evaluation_pixels": pixels_of(wildcards.student, "evaluation"),
            "logits": [f"<results>/logits/transfer/{model}.npy" for model in models],
            "predictions": [
                f"<results>/predictions/evaluation/{model}.parquet" for model in models
            ],
        }

    return inputs


def student_row(wildcards):
    """Zoo row of a student."""
    return ZOO[wildcards.student]


def student_input_size(wildcards):
    """Side of a student's input in pixels."""
    return GEOMETRY[wildcards.student]["input_size"]


for number, (students, targets) in enumerate(BLOCKS, start=1):

    rule:
        name:
            f"transfer_knowledge_{number}"
        input:
            unpack(transfer_inputs(targets)),
            index="<results>/images/transfer.parquet",
            code=code("transfer", "objectives"),
        output:
            [
                f"<results>/transfers/{method}/{{student}}/{teacher}/{{seed}}.parquet"
                for method, teacher in targets
            ],
        log:
            f"<logs>/transfer_knowledge/{number}/{{student}}/{{seed}}.log",
        wildcard_constraints:
            student="|".join(re.escape(student) for student in students),
        resources:
            mem_mb=4000,
            runtime=480,
            gpu=1,
        params:
            targets=targets,
            teachers=teachers_of(targets),
            methods={method: recipe_of_method(method) for method, _ in targets},
            row=student_row,
            input_size=student_input_size,
            classes=lookup("images/classes", within=config),
            views=lookup("views/count", within=config),
            transforms=lookup("views/transforms", within=config),
            seed=lookup("seed", within=config),
        script:
            "../scripts/transfer_knowledge.py"


ALL_TRANSFERS = [
    f"<results>/transfers/{method}/{student}/{teacher}/{seed}.parquet"
    for students, targets in BLOCKS
    for method, teacher in targets
    for student in students
    for seed in config["transfer"]["seeds"]
]


rule gather_transfers:
    input:
        ALL_TRANSFERS,
    output:
        "<results>/transfers.parquet",
    log:
        "<logs>/gather_transfers.log",
    resources:
        mem_mb=1000,
        runtime=30,
    script:
        "../scripts/gather_transfers.py"


localrules:
    summarise_transfers,


rule summarise_transfers:
    input:
        transfers=rules.gather_transfers.output,
        code=code("statistics"),
    output:
        "<results>/summary.txt",
    log:
        "<logs>/summarise_transfers.log",
    params:
        figures=f"results/{config['study']}/figures",
    script:
        "../scripts/summarise_transfers.py"
