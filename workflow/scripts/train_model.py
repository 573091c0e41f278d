"""Train one model of the zoo on the study's own images."""

from transfer_atlas.jobs.gpus import claim_gpu
from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    claim_gpu()
    import torch

    from transfer_atlas.images.pixels import open_pixels
    from transfer_atlas.store.tables import read_table
    from transfer_atlas.zoo.build import default_device
    from transfer_atlas.zoo.training import train_zoo_model
    from transfer_atlas.zoo.weights import save_weights

    torch.set_num_threads(snakemake.threads)
    options = {name: value for name, value in snakemake.params.items() if name != "code"}
    options["on_error"] = snakemake.config["on_error"]  # no parameter: it reruns what failed, and nothing else
    pixels, labels = open_pixels(snakemake.input.pixels), read_table(snakemake.input.index)["label"]
    weights, excluded = train_zoo_model(pixels=pixels, labels=labels, device=default_device(), **options)
    save_weights(weights, snakemake.output[0], excluded)
