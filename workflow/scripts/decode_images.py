"""Decode and crop the images of one split once, for all models of a geometry."""

from transfer_atlas.jobs import logged

with logged(snakemake.log[0]):
    from transfer_atlas.pixels import decode_images
    from transfer_atlas.tables import read_table

    decode_images(
        files=snakemake.input.files,
        image_column=snakemake.params.image_column,
        rows=read_table(snakemake.input.index)["row"].to_numpy(),
        geometry=snakemake.params.geometry,
        path=snakemake.output[0],
    )
