"""Fetch the weights of one model from the hub."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from transfer_atlas.zoo.fetch import fetch_weights

    on_error = snakemake.config["on_error"]  # no parameter: it reruns what failed, and nothing else
    fetch_weights(snakemake.params.row, snakemake.params.classes, snakemake.output[0], on_error)
