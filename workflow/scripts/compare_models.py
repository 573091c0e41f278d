"""Compare all ordered pairs of models."""

from transfer_atlas.jobs import logged

with logged(snakemake.log[0]):
    from transfer_atlas.complementarity import align_predictions, compare_models
    from transfer_atlas.tables import Provenance, read_table, write_table

    provenance, models = Provenance(), snakemake.params.models
    predictions = dict(zip(models, map(read_table, snakemake.input.predictions), strict=True))
    correct, labels = align_predictions(predictions)
    write_table(compare_models(models, correct, labels), "complementarity", snakemake.output[0], provenance.record())
