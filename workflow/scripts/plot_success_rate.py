"""Plot the figure success_rate."""

from transfer_atlas.jobs import logged

with logged(snakemake.log[0]):
    from transfer_atlas.figures.style import save_figure
    from transfer_atlas.figures.success_rate import plot_success_rate
    from transfer_atlas.tables import read_table

    save_figure(plot_success_rate(read_table(snakemake.input.transfers[0])), snakemake.output)
