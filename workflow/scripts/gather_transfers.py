"""Gather the transfers into the one table that figures and notebooks read."""

from transfer_atlas.jobs import logged

with logged(snakemake.log[0]):
    from transfer_atlas.properties import describe_histories, judge_transfers
    from transfer_atlas.tables import gather, write_table

    frame, cost = gather(snakemake.input, "transfer")
    frame = judge_transfers(frame)
    write_table(frame, "transfers", snakemake.output.transfers, cost)
    write_table(describe_histories(frame), "histories", snakemake.output.histories, cost)
