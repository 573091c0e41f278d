"""Gather the students of several teachers, each beside those of the same teachers alone."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from transfer_atlas.analysis.significance import judge_teams
    from transfer_atlas.store.tables import gather, read_table, write_table

    teams, cost = gather(snakemake.input.teams, "team")
    singles, _ = gather(snakemake.input.singles, "transfer")
    rounding = read_table(snakemake.input.transfers).groupby("student")["rounding_error"].first()
    write_table(judge_teams(teams, singles, rounding), "teams", snakemake.output[0], cost)
