"""Compare all ordered pairs of models."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    import numba

    from transfer_atlas.complementarity.pair_table import compare_in_chunks
    from transfer_atlas.complementarity.parts import compare_in_parts
    from transfer_atlas.logits.zoo_predictions import read_zoo_predictions
    from transfer_atlas.store.arrays import open_array
    from transfer_atlas.store.provenance import Provenance
    from transfer_atlas.store.tables import read_table, write_chunks, write_table

    numba.set_num_threads(min(snakemake.threads, numba.config.NUMBA_NUM_THREADS))
    params, inputs, outputs = snakemake.params, snakemake.input, snakemake.output
    provenance = Provenance(examples=params.examples, same_network=params.same_network)
    embeddings = open_array(inputs.embeddings[0])
    accepted = read_table(inputs.accepted[0])["accepted"].tolist() if inputs.accepted else None
    if params.students_per_file:
        recipe = {name: params[name] for name in ("examples", "same_network", "code")}
        compare_in_parts(
            inputs.predictions,
            embeddings,
            dict(outputs.items()),
            params.students_per_file,
            recipe,
            provenance,
            accepted,
        )
    else:
        chunks, flips_by_class = compare_in_chunks(
            read_zoo_predictions(inputs.predictions), embeddings, params.examples, params.same_network, accepted
        )
        write_chunks(chunks, "complementarity", outputs.complementarity, provenance.record())
        write_table(flips_by_class, "flips_by_class", outputs.flips_by_class, provenance.record())
