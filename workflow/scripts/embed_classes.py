"""Embed the classes, so that their similarities can be told."""

from transfer_atlas.jobs import logged

with logged(snakemake.log[0]):
    import numpy as np

    from transfer_atlas.classes import embed_classes
    from transfer_atlas.tables import atomic, read_table

    inputs = snakemake.input
    embeddings = embed_classes(
        read_table(inputs.classes), inputs.get("confusions"), inputs.get("predictions"), snakemake.params.text_model
    )
    with atomic(snakemake.output[0]) as partial, open(partial, "wb") as file:
        np.save(file, embeddings)
