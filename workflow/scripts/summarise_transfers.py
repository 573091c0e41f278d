"""Write the short table that a study ends with."""

from transfer_atlas.jobs import logged

with logged(snakemake.log[0]):
    from transfer_atlas.files import save_text
    from transfer_atlas.statistics import format_summary, summarise_methods
    from transfer_atlas.tables import read_table

    summary = summarise_methods(read_table(snakemake.input.transfers))
    save_text(snakemake.output[0], format_summary(summary, snakemake.params.figures))
