"""Compare what each way to choose a teacher costs and gives."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from transfer_atlas.analysis.inputs import read_tables
    from transfer_atlas.recommend.choices import compare_choices
    from transfer_atlas.store.provenance import Provenance
    from transfer_atlas.store.tables import write_table

    provenance = Provenance()
    tables = read_tables(dict(snakemake.input.items()))
    table = compare_choices(shares=snakemake.params.shares, **tables)
    write_table(table, "choices", snakemake.output[0], provenance.record())
