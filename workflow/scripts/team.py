"""Teach one student by several teachers."""

from transfer_atlas.jobs.gpus import claim_gpu
from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    claim_gpu()
    import torch

    from transfer_atlas.transfer.spec import TransferSpec
    from transfer_atlas.transfer.student import open_student, open_teachers
    from transfer_atlas.transfer.teams import TeamSpec, teach_as_team
    from transfer_atlas.zoo.build import default_device

    params, inputs, wildcards = snakemake.params, snakemake.input, snakemake.wildcards
    torch.set_num_threads(snakemake.threads)
    student = open_student(params.student, inputs, default_device())
    teachers = open_teachers(params.teachers, [], inputs, student.device)
    recipe = TransferSpec(params.method, wildcards.student, None, int(wildcards.seed), **params.recipe)
    spec = TeamSpec(params.way, wildcards.team, tuple(params.teachers), recipe)
    minutes = snakemake.config["transfer"]["checkpoint_minutes"]  # no parameter: it reruns nothing
    single_weights = list(inputs.get("single_weights", []))
    keep = "best" if snakemake.output.get("weights") else None
    teach_as_team(spec, snakemake.output.table, student, teachers, single_weights, minutes, params.code, keep)
