"""Write the short table that a study ends with."""

from pathlib import Path

from transfer_atlas.jobs import logged

with logged(snakemake.log[0]):
    from transfer_atlas.statistics import format_summary, summarise_methods
    from transfer_atlas.tables import read_table

    summary = summarise_methods(read_table(snakemake.input.transfers[0]))
    Path(snakemake.output[0]).write_text(format_summary(summary, snakemake.params.figures))
