"""Describe every model: recipe, size, family and accuracy."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from transfer_atlas.logits.zoo_predictions import read_correct
    from transfer_atlas.store.provenance import Provenance
    from transfer_atlas.store.tables import write_table
    from transfer_atlas.zoo.anatomy import describe_zoo

    params, provenance = snakemake.params, Provenance()
    models = describe_zoo(params.zoo, params.geometry, *read_correct(snakemake.input.predictions), params.classes)
    write_table(models, "models", snakemake.output[0], provenance.record())
