"""Plot the figure complementarity."""

from transfer_atlas.jobs import logged

with logged(snakemake.log[0]):
    from transfer_atlas.figures.complementarity import plot_complementarity
    from transfer_atlas.figures.style import save_figure
    from transfer_atlas.tables import read_table

    save_figure(plot_complementarity(read_table(snakemake.input.complementarity[0])), snakemake.output)
