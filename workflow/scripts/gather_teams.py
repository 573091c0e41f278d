"""Gather the students of several teachers, each beside those of the same teachers alone."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from transfer_atlas.analysis.significance import judge_teams
    from transfer_atlas.store.tables import gather, write_table

    teams, cost = gather(snakemake.input.teams, "team")
    singles, _ = gather(snakemake.input.singles, "transfer")
    write_table(judge_teams(teams, singles), "teams", snakemake.output[0], cost)
