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

for number, (students, targets) in enumerate(BLOCKS, start=1):

    rule:
        name:
            f"transfer_knowledge_{number}"
        input:
            unpack(transfer_inputs(targets)),
            index="<results>/images/transfer.parquet",
            code=code("transfer", "objectives", "checkpoint"),
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
