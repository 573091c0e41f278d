"""Take over predictions made elsewhere."""

from transfer_atlas.jobs import logged

with logged(snakemake.log[0]):
    from transfer_atlas.predictions import import_predictions, write_predictions
    from transfer_atlas.tables import Provenance, write_table

    params, outputs = snakemake.params, snakemake.output
    provenance = Provenance(files=list(snakemake.input.files), columns=params.columns, on_error=params.on_error)
    imported = import_predictions(snakemake.input.files, params.columns, params.on_error)
    write_predictions(imported, outputs.predictions, provenance.record())
    write_table(imported.models, "models", outputs.models, provenance.record())
    write_table(imported.classes, "classes", outputs.classes, provenance.record())
