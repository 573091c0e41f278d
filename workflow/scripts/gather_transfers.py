"""Gather the transfers into the tables that figures and notebooks read."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from transfer_atlas.analysis.covariances import covariances_of_deltas
    from transfer_atlas.analysis.histories import describe_histories
    from transfer_atlas.analysis.significance import average_seeds, judge_transfers
    from transfer_atlas.store.tables import gather, write_table

    outputs, (frame, cost) = snakemake.output, gather(snakemake.input, "transfer")
    write_table(average_seeds(frame), "deltas", outputs.deltas, cost)
    write_table(covariances_of_deltas(frame), "delta_covariances", outputs.covariances, cost)
    frame = judge_transfers(frame)
    write_table(frame, "transfers", outputs.transfers, cost)
    write_table(describe_histories(frame), "histories", outputs.histories, cost)
