"""Take over predictions made elsewhere."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from transfer_atlas.complementarity.accepted import read_accepted_labels
    from transfer_atlas.complementarity.imported import import_predictions, write_predictions
    from transfer_atlas.store.provenance import Provenance
    from transfer_atlas.store.tables import write_table

    params, outputs = snakemake.params, snakemake.output
    read = {"columns": params.columns, "labels": params.labels, "image_pattern": params.image_pattern}
    on_error = snakemake.config["on_error"]  # no parameter: it reruns what failed, and nothing else
    provenance = Provenance(files=list(snakemake.input.files), on_error=on_error, **read)
    imported = import_predictions(snakemake.input.files, on_error=on_error, **read)
    write_predictions(imported, outputs.predictions, provenance.record())
    write_table(imported.models, "models", outputs.models, provenance.record())
    write_table(imported.classes, "classes", outputs.classes, provenance.record())
    if params.accepted_labels:
        accepted = read_accepted_labels(
            params.accepted_labels, params.columns, params.image_pattern, imported.images, imported.classes
        )
        write_table(accepted, "accepted_labels", outputs.accepted, provenance.record())
