"""Rank all teachers for one student."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from transfer_atlas.analysis.inputs import read_tables
    from transfer_atlas.recommend.job import recommend
    from transfer_atlas.store.files import save_text
    from transfer_atlas.store.provenance import Provenance
    from transfer_atlas.store.tables import write_table

    provenance = Provenance()
    student = snakemake.wildcards.student
    ranked, text = recommend(student, **read_tables(dict(snakemake.input.items()), [student]))
    write_table(ranked, "recommendations", snakemake.output.table, provenance.record())
    save_text(snakemake.output.text, text)
