"""Write the short table that a study ends with, and the one of its methods against each control."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from transfer_atlas.analysis.significance import judge_methods
    from transfer_atlas.analysis.summary import format_summary, summarise_methods, summarise_rounding, summarise_teams
    from transfer_atlas.store.files import save_text
    from transfer_atlas.store.tables import read_table, write_table

    transfers, outputs = read_table(snakemake.input.transfers), snakemake.output
    write_table(judge_methods(transfers), "methods", outputs.methods)
    teams = [summarise_teams(read_table(path)) for path in snakemake.input.teams]
    summary, rounding = summarise_methods(transfers), summarise_rounding(transfers)
    save_text(outputs.summary, format_summary(summary, snakemake.params.figures, rounding, *teams))
