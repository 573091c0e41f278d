"""Ask one model about all images of both splits and all views."""

from transfer_atlas.jobs.gpus import claim_gpu
from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    claim_gpu()
    import torch

    from transfer_atlas.logits.job import Split, answer_images
    from transfer_atlas.zoo.build import default_device

    inputs, outputs = snakemake.input, snakemake.output
    torch.set_num_threads(snakemake.threads)
    options = {name: value for name, value in snakemake.params.items() if name not in ("views", "passing")}
    views, passing = snakemake.params.views.items(), snakemake.params.passing
    passing = passing and passing | {"threads": snakemake.threads}
    pixels = inputs.get("pixels") or [None]
    files = zip(inputs.indexes, pixels, outputs.logits, outputs.predictions, strict=True)
    answer_images(
        weights=inputs.get("weights") or None,
        splits={split: Split(count, *paths, passing) for (split, count), paths in zip(views, files, strict=True)},
        confusions=outputs.confusions,
        on_error=snakemake.config["on_error"],  # no parameter: it reruns what failed, and nothing else
        minutes=snakemake.config["transfer"]["checkpoint_minutes"],
        device=default_device(),
        **options,
    )
