"""Gather the transfers of all sweeps, each with the key that was varied and its value."""

from transfer_atlas.jobs import logged

with logged(snakemake.log[0]):
    from transfer_atlas.tables import gather, write_table

    frame, cost = gather(snakemake.input, "transfers")
    frame[["key", "value"]] = snakemake.params.points
    write_table(frame, "sweeps", snakemake.output[0], cost)
