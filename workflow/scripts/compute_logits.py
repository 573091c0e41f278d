"""Compute the logits of all images of all splits and views, for one model."""

from transfer_atlas.jobs.gpus import claim_gpu
from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    claim_gpu()
    import torch

    from transfer_atlas.logits.model import StudyModel
    from transfer_atlas.logits.splits import Split, write_logits
    from transfer_atlas.zoo.build import default_device

    inputs, outputs, params = snakemake.input, snakemake.output, snakemake.params
    torch.set_num_threads(snakemake.threads)
    passing = params.passing and params.passing | {"threads": snakemake.threads}
    files = zip(inputs.indexes, inputs.get("pixels") or [None], outputs.logits, outputs.predictions, strict=True)
    write_logits(
        model=StudyModel(**params.model, weights=inputs.get("weights") or None, device=default_device()),
        splits={
            split: Split(count, *paths, passing)
            for (split, count), paths in zip(params.views.items(), files, strict=True)
        },
        confusions=outputs.confusions,
        on_error=snakemake.config["on_error"],  # no parameter: it reruns what failed, and nothing else
        minutes=snakemake.config["transfer"]["checkpoint_minutes"],
        code=params.code,
    )
