"""Take over predictions made elsewhere."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from transfer_atlas.complementarity.imported import import_predictions, write_predictions
    from transfer_atlas.store.provenance import Provenance
    from transfer_atlas.store.tables import write_table

    columns, outputs = snakemake.params.columns, snakemake.output
    on_error = snakemake.config["on_error"]  # no parameter: it reruns what failed, and nothing else
    provenance = Provenance(files=list(snakemake.input.files), columns=columns, on_error=on_error)
    imported = import_predictions(snakemake.input.files, columns, on_error)
    write_predictions(imported, outputs.predictions, provenance.record())
    write_table(imported.models, "models", outputs.models, provenance.record())
    write_table(imported.classes, "classes", outputs.classes, provenance.record())
