"""Students learn from answers on disk; one rule per block of transfers that share a process.

INPUTS
    config["pairs"]
    <results>/logits/transfer/{model}.npy of student and teachers, <results>/pixels/{split}/{geometry}.npy
    <results>/predictions/evaluation/{model}.parquet of student and teachers, weights of the student

OUTPUTS
    select_pairs             <results>/pairs.parquet  the pairs of the transfers, and why
    transfer_<method>_<n>    <results>/transfers/{method}/{student}/{teacher}/{seed}.parquet
    transfer_controls_<n>    the same for methods without a teacher, which is called `none`
    estimate                 <results>/estimate.txt  what the study will take; only where it is asked for
    gather_transfers         <results>/transfers.parquet
    summarise_transfers      <results>/summary.txt

STEPS
    Importing torch and timm takes longer than a small transfer, so transfer.pairs_per_job transfers of one student
    and method share a process; each still writes its own file, and each file is a target. Outputs are marked
    `update`: a job that a new teacher joins finds the others' files in place and makes that one alone.
"""

import re

METHODS = config["transfer"]["methods"]
TEACHER_TARGETS = study_config.teacher_targets(CONFIG_SCHEMA)
CHOSEN_LATER = "choose" in config["pairs"]

try:
    if CHOSEN_LATER:
        pairs.check_students(config["pairs"], ZOO)
    else:
        PAIRS = pairs.choose_pairs(config["pairs"], ZOO)
except InputError as error:
    raise WorkflowError(str(error))

TABLES += ["pairs", "transfers"]
SUMMARIES.append("<results>/summary.txt")


if CHOSEN_LATER:
    BLOCKS = plan.open_blocks(ZOO, METHODS, TEACHER_TARGETS)
    if workflow.is_main_process:
        logger.info(
            "Pairs are chosen once all models are compared; their transfers are planned then."
        )

    checkpoint choose_pairs:
        input:
            pairs="<results>/complementarity.parquet",
            models="<results>/models.parquet",
        output:
            "<results>/pairs.parquet",
        log:
            "<logs>/choose_pairs.log",
        localrule: True
        params:
            choice=lookup("pairs", within=config),
            seed=lookup("seed", within=config),
            code=code_of("choose_pairs"),
        script:
            "../scripts/choose_pairs.py"

else:
    BLOCKS = plan.transfer_blocks(
        PAIRS, METHODS, config["transfer"]["pairs_per_job"], TEACHER_TARGETS
    )

    # before anything runs: snakemake --cores 1 results/<study>/estimate.txt
    rule estimate:
        output:
            "<results>/estimate.txt",
        log:
            "<logs>/estimate.log",
        localrule: True
        params:
            images=images_for(
                "root", "train", "evaluation", "classes", "transfer_images"
            ),
            zoo=ZOO,
            geometry=GEOMETRY,
            views=lookup("views/count", within=config),
            transfers=plan.transfers_of(
                PAIRS, METHODS, config["transfer"]["seeds"], TEACHER_TARGETS
            ),
            methods=METHODS,
            code=code_of("estimate"),
        script:
            "../scripts/estimate.py"

    rule select_pairs:
        output:
            "<results>/pairs.parquet",
        log:
            "<logs>/select_pairs.log",
        localrule: True
        params:
            pairs=PAIRS,
        script:
            "../scripts/select_pairs.py"


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
            methods={method: METHODS[method] for method in block.methods},
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
