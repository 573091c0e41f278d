"""Ask one model about the features of the transfer images in all views."""

from transfer_atlas.jobs.gpus import claim_gpu
from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    claim_gpu()
    import torch

    from transfer_atlas.logits.features import store_features
    from transfer_atlas.transfer.student import student_of_job
    from transfer_atlas.zoo.build import default_device

    torch.set_num_threads(snakemake.threads)
    model = student_of_job(snakemake.params.model, snakemake.input, default_device())
    minutes = snakemake.config["transfer"]["checkpoint_minutes"]  # no parameter: it reruns nothing
    store_features(model, snakemake.output[0], minutes, snakemake.params.code)
