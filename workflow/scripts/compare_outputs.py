"""Compare the outputs of the networks of all pairs, from their stored logits."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from transfer_atlas.recommend.outputs import compare_outputs
    from transfer_atlas.store.provenance import Provenance
    from transfer_atlas.store.tables import read_table, write_table

    provenance, inputs = Provenance(), snakemake.input
    files = [{Path(path).stem: path for path in paths} for paths in (inputs.transfer, inputs.evaluation)]
    table = compare_outputs(read_table(inputs.pairs), *files)
    write_table(table, "output_similarity", snakemake.output[0], provenance.record())
