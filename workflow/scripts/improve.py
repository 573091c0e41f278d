"""Choose among the transfers that were tried, and write the improved student as a folder that timm loads."""

from transfer_atlas.jobs.gpus import claim_gpu
from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    claim_gpu()
    import torch

    from transfer_atlas.recommend.improve import improve_student
    from transfer_atlas.transfer.student import open_student
    from transfer_atlas.zoo.build import default_device

    params, inputs, folder, study = snakemake.params, snakemake.input, snakemake.output[0], snakemake.config["study"]
    torch.set_num_threads(snakemake.threads)
    student = open_student(params.student, inputs, default_device())
    choice = {"select_share": params.share, "candidates": params.candidates}
    about = {
        "command": f"snakemake --cores 2 {folder} --configfile results/{study}/config.yaml",
        "study": study,
        "geometry": params.geometry,
        "classes": inputs.classes,
        "models": params.models,
    }
    streams = list(inputs.streams), list(inputs.stream_weights)
    teams = list(inputs.teams), list(inputs.team_weights)
    improve_student(student, inputs.tables, inputs.tried_weights, choice, about, folder, streams, teams)
