"""Describe every model: recipe, size, family and accuracy."""

from transfer_atlas.jobs import logged

with logged(snakemake.log[0]):
    from transfer_atlas.tables import Provenance, read_table, write_table
    from transfer_atlas.zoo import describe_zoo

    params, provenance = snakemake.params, Provenance()
    accuracies = [read_table(path)["correct"] for path in snakemake.input.predictions]
    models = describe_zoo(params.zoo, params.geometry, accuracies, params.classes)
    write_table(models, "models", snakemake.output[0], provenance.record())
