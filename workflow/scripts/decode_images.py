"""Decode and crop the images of one split once, for all models of a geometry."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from transfer_atlas.images.pixels import decode_images
    from transfer_atlas.images.readers import open_images
    from transfer_atlas.store.tables import read_table

    images, geometry = snakemake.params.images, snakemake.params.geometry
    index = read_table(snakemake.input.index, ["row", "file"])
    encoded = open_images(images, snakemake.wildcards.split).encoded(index)
    decode_images(encoded, len(index), geometry, snakemake.output[0], snakemake.threads)
