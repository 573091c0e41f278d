"""Students learn from answers on disk; one rule per block of transfers that share a process.

INPUTS
    BLOCKS, METHODS  the jobs, and the recipe of each method (pairs.smk)
    config["sweep"]  keys of the recipe, each with values for which all transfers are made again
    <results>/logits/transfer/{model}.npy of student and teachers, <results>/pixels/{split}/{geometry}.npy
    <results>/predictions/evaluation/{model}.parquet of student and teachers, weights of the student

OUTPUTS
    transfer_<method>_<n>    <results>/transfers/{method}/{student}/{teacher}/{seed}.parquet, and .safetensors where kept
    transfer_controls_<n>    the same for methods without a teacher, which is called `none`
    transfer_<key>_<method>_<n>  <results>/sweeps/{key}/{value}/{method}/{student}/{teacher}/{seed}.parquet
    gather_transfers         <results>/transfers.parquet, deltas.parquet (means over seeds), histories.parquet
    gather_sweeps            <results>/sweeps.parquet
    compare_with_published   <results>/agreement.parquet  where the config names a sheet of published results
    summarise_transfers      <results>/summary.txt, <results>/methods.parquet

STEPS
    Importing torch and timm takes longer than a small transfer, so transfer.pairs_per_job transfers of one student
    and method share a process; each still writes its own file, and each file is a target. Outputs are marked
    `update`: a job that a new teacher joins finds the others' files in place and makes that one alone.
"""

import itertools
import re

SWEEPS = plan.sweeps_of(config.get("sweep", {}))
TABLES += ["histories", "deltas", "methods"]
TABLES += ["sweeps"] * bool(SWEEPS)

for block, sweep in itertools.product(BLOCKS, [None, *SWEEPS]):
    folder = f"sweeps/{sweep.key}/{{value}}" if sweep else "transfers"

    rule:
        name:
            f"transfer_{sweep.key}_{block.name}" if sweep else f"transfer_{block.name}"
        input:
            unpack(transfer_inputs(block)),
            index="<results>/images/transfer.parquet",
        output:
            tables=[
                update(
                    f"<results>/{folder}/{method}/{{student}}/{teacher}/{{seed}}.parquet"
                )
                for method, teacher in block.targets
            ],
            weights=[
                update(
                    f"<results>/{folder}/{method}/{{student}}/{teacher}/{{seed}}.safetensors"
                )
                for method, teacher in block.kept
                if sweep is None
            ],
        log:
            log_of(block, sweep),
        wildcard_constraints:
            student="|".join(map(re.escape, block.students)),
            teacher=r"\w+(\.\w+)+",
            value="|".join(map(re.escape, sweep.values)) if sweep else ".*",
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
            methods=recipes_of(block, sweep),
            # no more of what is kept: to keep what stands, or no longer, is no other transfer
            kept_at_best=kept_at_best(block),
            student=student_of,
            learning_teachers=settings_of_teachers(block),
            code=code_of("transfer"),
        script:
            "../scripts/transfer.py"


rule gather_transfers:
    input:
        all_transfers,
    output:
        transfers="<results>/transfers.parquet",
        deltas="<results>/deltas.parquet",
        histories="<results>/histories.parquet",
    log:
        "<logs>/gather_transfers.log",
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        code=code_of("gather_transfers"),
    script:
        "../scripts/gather_transfers.py"


if SWEEPS:

    rule gather_sweeps:
        input:
            lambda wildcards: [file for _, _, file in all_points()],
        output:
            "<results>/sweeps.parquet",
        log:
            "<logs>/gather_sweeps.log",
        resources:
            mem_mb=growing(1000),
            runtime=growing(30),
        params:
            points=lambda wildcards: [point[:2] for point in all_points()],
            code=code_of("gather_sweeps"),
        script:
            "../scripts/gather_sweeps.py"


if "published" in config:
    TABLES.append("agreement")

    rule compare_with_published:
        input:
            transfers="<results>/transfers.parquet",
            published=config["published"],
        output:
            "<results>/agreement.parquet",
        log:
            "<logs>/compare_with_published.log",
        localrule: True
        params:
            code=code_of("compare_with_published"),
        script:
            "../scripts/compare_with_published.py"


localrules:
    summarise_transfers,


rule summarise_transfers:
    input:
        transfers=rules.gather_transfers.output.transfers,
        teams=["<results>/teams.parquet"] * bool(TEAMS),
    output:
        summary=report("<results>/summary.txt", category="Summary"),
        methods="<results>/methods.parquet",
    log:
        "<logs>/summarise_transfers.log",
    params:
        figures=f"results/{STUDY}/figures",
        code=code_of("summarise_transfers"),
    script:
        "../scripts/summarise_transfers.py"
