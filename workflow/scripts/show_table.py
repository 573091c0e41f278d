"""Write one table as a page of the report."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from transfer_atlas.figures.table_page import render_table
    from transfer_atlas.store.files import save_text
    from transfer_atlas.store.tables import read_table

    table = snakemake.wildcards.table
    save_text(snakemake.output[0], render_table(read_table(snakemake.input[0]), table))
