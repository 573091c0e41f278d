"""Rank all teachers for one student."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from transfer_atlas.recommend.job import recommend
    from transfer_atlas.store.files import save_text
    from transfer_atlas.store.provenance import Provenance
    from transfer_atlas.store.tables import read_table, write_table

    provenance = Provenance()
    tables = {name: read_table(path) for name, path in snakemake.input.items()}
    ranked, text = recommend(snakemake.wildcards.student, **tables)
    write_table(ranked, "recommendations", snakemake.output.table, provenance.record())
    save_text(snakemake.output.text, text)
