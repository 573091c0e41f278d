"""Compute the features of the transfer images in all views, for one model."""

from transfer_atlas.jobs.gpus import claim_gpu
from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    claim_gpu()
    import torch

    from transfer_atlas.logits.features import write_features
    from transfer_atlas.logits.model import StudyModel
    from transfer_atlas.zoo.build import default_device

    inputs, params = snakemake.input, snakemake.params
    torch.set_num_threads(snakemake.threads)
    write_features(
        model=StudyModel(**params.model, weights=inputs.get("weights") or None, device=default_device()),
        index=inputs.index,
        pixels=inputs.pixels,
        views=params.views,
        predictions=inputs.predictions,
        output=snakemake.output[0],
        minutes=snakemake.config["transfer"]["checkpoint_minutes"],  # no parameter: it reruns nothing
        code=params.code,
    )
