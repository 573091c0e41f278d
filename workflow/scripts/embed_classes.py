"""Embed the classes, for their similarities."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from transfer_atlas.complementarity.classes import embed_classes
    from transfer_atlas.store.arrays import save_array
    from transfer_atlas.store.tables import read_table

    inputs, text_model = snakemake.input, snakemake.params.text_model
    classes = read_table(inputs.classes)
    save_array(
        snakemake.output[0], embed_classes(classes, inputs.get("confusions"), inputs.get("predictions"), text_model)
    )
