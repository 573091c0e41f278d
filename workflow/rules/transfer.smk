"""Students learn from stored logits; one rule per block of transfers that share a process.

INPUTS
    BLOCKS, SWEEPS, METHODS, IMPROVE_BLOCKS  the jobs, and the recipe of each method (pairs.smk)
    files of the student and its teachers (transfer_files)

OUTPUTS
    transfer_<method>_<n>    <results>/transfers/{method}/{student}/{teacher}/{seed}.parquet, and .safetensors where kept
    transfer_controls_<n>    the same for methods without a teacher, which is called `none`; several seeds in one job
    improve_<method>_<n>     <results>/improve/...  the same with images kept apart, where an improved student is asked for
    transfer_<key>_<method>_<n>  <results>/sweeps/{key}/{value}/{method}/{student}/{teacher}/{seed}.parquet

STEPS
    Importing torch and timm takes longer than a small transfer, so transfer.pairs_per_job transfers of one student
    and method share a process; each still writes its own file, and each file is a target. Outputs are marked
    `update`: a job that a new teacher joins finds the others' files in place and makes that one alone.
"""

import itertools
import re

# (prefix of the rule's name, folder, block, sweep)
JOBS = [("transfer", "transfers", block, None) for block in BLOCKS]
JOBS += [
    (f"transfer_{sweep.key}", f"sweeps/{sweep.key}/{{value}}", block, sweep)
    for block, sweep in itertools.product(BLOCKS, SWEEPS)
]
JOBS += [("improve", "improve", block, None) for block in IMPROVE_BLOCKS]

for prefix, folder, block, sweep in JOBS:

    rule:
        name:
            f"{prefix}_{block.name}"
        input:
            unpack(transfer_inputs(block)),
            index="<results>/images/transfer.parquet",
        output:
            tables=[
                update(
                    f"<results>/{folder}/{method}/{{student}}/{teacher}/{seed}.parquet"
                )
                for method, teacher, seed in block.targets
            ],
            weights=[
                update(
                    f"<results>/{folder}/{method}/{{student}}/{teacher}/{seed}.safetensors"
                )
                for method, teacher, seed in block.kept
                if sweep is None
            ],
        log:
            f"<logs>/{prefix.split('_')[0]}_{block.log_name(sweep)}.log",
        wildcard_constraints:
            student="|".join(map(re.escape, block.students)),
            value="|".join(map(re.escape, sweep.values)) if sweep else ".*",
        resources:
            mem_mb=growing(4000),
            runtime=growing(480),
            gpu=1,
            tasks=1,
            # a checkpoint two minutes before the limit; the retry resumes from it
            slurm_extra="--signal=TERM@120",
        params:
            targets=block.named_targets,
            teachers=block.teachers,
            methods=block.recipes(sweep),
            # keep_weights itself is no parameter: changing it must not rerun a transfer
            kept_at_best=block.kept_at_best,
            student=lambda wildcards: trained_settings(wildcards.student),
            learning_teachers=lambda wildcards, block=block: [
                trained_settings(teacher)
                for teacher in block.teachers(wildcards)
                if block.teachers_learn
            ],
            code=code_of("transfer"),
        script:
            "../scripts/transfer.py"
