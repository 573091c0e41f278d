"""Plot the figure transfer_delta."""

from transfer_atlas.jobs import logged

with logged(snakemake.log[0]):
    from transfer_atlas.figures.style import save_figure
    from transfer_atlas.figures.transfer_delta import plot_transfer_delta
    from transfer_atlas.tables import read_table

    save_figure(
        plot_transfer_delta(read_table(snakemake.input.transfers[0]), read_table(snakemake.input.complementarity[0])),
        snakemake.output,
    )
