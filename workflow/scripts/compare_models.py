"""Compare all ordered pairs of models."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from transfer_atlas.complementarity.job import compare_zoo
    from transfer_atlas.store.arrays import open_array
    from transfer_atlas.store.provenance import Provenance
    from transfer_atlas.store.tables import read_table

    params, inputs, outputs = snakemake.params, snakemake.input, snakemake.output
    provenance = Provenance(examples=params.examples, same_network=params.same_network)
    compare_zoo(
        inputs.predictions,
        open_array(inputs.embeddings[0]),
        dict(outputs.items()),
        params.students_per_file,
        {name: params[name] for name in ("examples", "same_network", "code")},
        provenance,
        read_table(inputs.accepted[0])["accepted"].tolist() if inputs.accepted else None,
        snakemake.threads,
    )
