"""Predict the delta of every pair from the transfers that were done."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from transfer_atlas.recommend.advice import expect_deltas
    from transfer_atlas.store.provenance import Provenance
    from transfer_atlas.store.tables import read_table, write_table

    provenance = Provenance()
    tables = {name: read_table(path) for name, path in snakemake.input.items()}
    write_table(expect_deltas(**tables), "expected_deltas", snakemake.output[0], provenance.record())
