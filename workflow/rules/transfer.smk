"""Students learn from answers on disk; one rule per block of transfers that share a process.

INPUTS
    BLOCKS, METHODS  the jobs, and the recipe of each method (pairs.smk)
    <results>/logits/transfer/{model}.npy of student and teachers, <results>/pixels/{split}/{geometry}.npy
    <results>/predictions/evaluation/{model}.parquet of student and teachers, weights of the student

OUTPUTS
    transfer_<method>_<n>    <results>/transfers/{method}/{student}/{teacher}/{seed}.parquet
    transfer_controls_<n>    the same for methods without a teacher, which is called `none`
    gather_transfers         <results>/transfers.parquet
    summarise_transfers      <results>/summary.txt

STEPS
    Importing torch and timm takes longer than a small transfer, so transfer.pairs_per_job transfers of one student
    and method share a process; each still writes its own file, and each file is a target. Outputs are marked
    `update`: a job that a new teacher joins finds the others' files in place and makes that one alone.
"""

import re

for block in BLOCKS:

    rule:
        name:
            f"transfer_{block.name}"
        input:
            unpack(transfer_inputs(block)),
            index="<results>/images/transfer.parquet",
        output:
            [
                update(
                    f"<results>/transfers/{method}/{{student}}/{teacher}/{{seed}}.parquet"
                )
                for method, teacher in block.targets
            ],
        log:
            log_of(block),
        wildcard_constraints:
            student="|".join(map(re.escape, block.students)),
            teacher=r"\w+(\.\w+)+",
        resources:
            mem_mb=growing(4000),
            runtime=growing(480),
            gpu=1,
            tasks=1,
            # a checkpoint two minutes before the limit; the retry goes on from it
            slurm_extra="--signal=TERM@120",
        params:
            targets=block.named_targets,
            teachers=block.teachers,
            methods=recipes_of(block),
            student=student_of,
            code=code_of("transfer"),
        script:
            "../scripts/transfer.py"


rule gather_transfers:
    input:
        all_transfers,
    output:
        "<results>/transfers.parquet",
    log:
        "<logs>/gather_transfers.log",
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    script:
        "../scripts/gather_transfers.py"


localrules:
    summarise_transfers,


rule summarise_transfers:
    input:
        transfers=rules.gather_transfers.output,
    output:
        "<results>/summary.txt",
    log:
        "<logs>/summarise_transfers.log",
    params:
        figures=f"results/{STUDY}/figures",
        code=code_of("summarise_transfers"),
    script:
        "../scripts/summarise_transfers.py"
