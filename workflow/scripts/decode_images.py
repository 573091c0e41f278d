"""Decode and crop the images of one split once, for all models of a geometry."""

from transfer_atlas.jobs import logged

with logged(snakemake.log[0]):
    from transfer_atlas.images.pixels import decode_images
    from transfer_atlas.study.sources import image_files
    from transfer_atlas.tables import read_table

    images, geometry = snakemake.params.images, snakemake.params.geometry
    rows = read_table(snakemake.input.index, ["row"])["row"].to_numpy()
    files = image_files(images, snakemake.wildcards.split)
    decode_images(files, images["image_column"], rows, geometry, snakemake.output[0])
