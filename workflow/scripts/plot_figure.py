"""Plot one figure from its tables."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from importlib import import_module

    from transfer_atlas.analysis.inputs import read_in_order
    from transfer_atlas.figures.layout import at_width
    from transfer_atlas.figures.saving import save_figure
    from transfer_atlas.store.tables import sample_of

    figure = snakemake.params.figure
    plot = getattr(import_module(f"transfer_atlas.figures.{figure}"), f"plot_{figure}")
    tables = snakemake.input.tables
    with at_width(snakemake.params.get("width")):
        drawn = plot(*read_in_order(tables))
    save_figure(drawn, snakemake.output, note=sample_of(tables))
