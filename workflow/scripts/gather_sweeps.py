"""Gather the transfers of all sweeps, each with the key that was varied and its value."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from transfer_atlas.analysis.significance import judge_sweeps
    from transfer_atlas.store.tables import gather, write_table

    frame, cost = gather(snakemake.input, "transfer")
    write_table(judge_sweeps(frame, snakemake.params.points), "sweeps", snakemake.output[0], cost)
