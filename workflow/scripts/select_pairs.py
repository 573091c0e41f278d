"""Write down the pairs of the transfers, and why they were chosen."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    import pandas as pd

    from transfer_atlas.store.tables import write_table

    write_table(pd.DataFrame(snakemake.params.pairs), "pairs", snakemake.output[0])
