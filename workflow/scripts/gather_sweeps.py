"""Gather the transfers of all sweeps, each with the key that was varied and its value."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    import pandas as pd

    from transfer_atlas.analysis.significance import judge_transfers
    from transfer_atlas.store.tables import gather, write_table

    frame, cost = gather(snakemake.input, "transfer")
    points = pd.DataFrame(snakemake.params.points, columns=["key", "value"])
    # each point of a sweep is a study of its own
    judged = [judge_transfers(of_point) for _, of_point in frame.groupby([points["key"], points["value"]])]
    frame = pd.concat(judged).sort_index().join(points)
    write_table(frame, "sweeps", snakemake.output[0], cost)
