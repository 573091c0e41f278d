"""Transfer from several teachers to fresh copies of one student, in one process."""

from transfer_atlas.jobs.gpus import claim_gpu
from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    claim_gpu()
    import torch

    from transfer_atlas.transfer.block import run_block
    from transfer_atlas.transfer.spec import TransferSpec
    from transfer_atlas.transfer.student import open_student, open_teachers
    from transfer_atlas.zoo.build import default_device

    params, inputs = snakemake.params, snakemake.input
    torch.set_num_threads(snakemake.threads)
    student = open_student(params.student, inputs, default_device())
    teachers = open_teachers(params.teachers, params.learning_teachers, inputs, student.device)
    specs = [
        TransferSpec(method, snakemake.wildcards.student, teacher, seed, **params.methods[method])
        for method, teacher, seed in params.targets
    ]
    minutes = snakemake.config["transfer"]["checkpoint_minutes"]  # no parameter: it reruns nothing
    tables, weights = snakemake.output.tables, snakemake.output.weights
    keep = {
        table: "best" if method in params.kept_at_best else "last"
        for table, (method, *_) in zip(tables, params.targets, strict=True)
        if f"{table.removesuffix('parquet')}safetensors" in weights
    }
    run_block(specs, tables, student, teachers, minutes, params.code, keep)
