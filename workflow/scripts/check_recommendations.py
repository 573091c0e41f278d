"""Compare recommended teachers with rules of thumb, on students and teachers left out."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from transfer_atlas.analysis.inputs import read_tables
    from transfer_atlas.recommend.check import check_recommendations
    from transfer_atlas.store.provenance import Provenance
    from transfer_atlas.store.tables import write_table

    provenance = Provenance()
    tables = read_tables(dict(snakemake.input.items()))
    write_table(check_recommendations(**tables), "recommendation_checks", snakemake.output[0], provenance.record())
