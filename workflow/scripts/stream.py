"""Teach one student by a stream of teachers."""

from transfer_atlas.jobs.gpus import claim_gpu
from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    claim_gpu()
    import torch

    from transfer_atlas.transfer.spec import TransferSpec
    from transfer_atlas.transfer.streams import StreamSpec, teach_in_stream
    from transfer_atlas.transfer.student import open_student, open_teachers
    from transfer_atlas.zoo.build import default_device

    params, inputs, wildcards = snakemake.params, snakemake.input, snakemake.wildcards
    torch.set_num_threads(snakemake.threads)
    student = open_student(params.student, inputs, default_device())
    teachers = open_teachers(params.teachers, [], inputs, student.device)
    recipe = TransferSpec(params.method, wildcards.student, None, int(wildcards.seed), **params.recipe)
    spec = StreamSpec(params.way, params.stages, params.stop, recipe)
    minutes = snakemake.config["transfer"]["checkpoint_minutes"]  # no parameter: it reruns nothing
    keep = "last" if snakemake.output.weights else None
    singles = list(inputs.get("single_weights", []))
    teach_in_stream(spec, snakemake.output.table, student, teachers, singles, minutes, params.code, keep)
