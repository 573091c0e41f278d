"""Set the study's transfers beside published ones."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from transfer_atlas.analysis.published import compare_with_published, read_published
    from transfer_atlas.store.provenance import Provenance
    from transfer_atlas.store.tables import read_table, write_table

    provenance = Provenance()
    table = compare_with_published(read_table(snakemake.input.transfers), read_published(snakemake.input.published))
    write_table(table, "agreement", snakemake.output[0], provenance.record())
