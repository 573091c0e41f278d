"""Plot one figure from its tables."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from importlib import import_module

    from transfer_atlas.figures.style import save_figure
    from transfer_atlas.store.tables import read_table

    figure = snakemake.params.figure
    plot = getattr(import_module(f"transfer_atlas.figures.{figure}"), f"plot_{figure}")
    save_figure(plot(*map(read_table, snakemake.input.tables)), snakemake.output)
