"""Plot one figure for each method and for the students of each family."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from importlib import import_module

    from transfer_atlas.figures.groups import of_family, of_method
    from transfer_atlas.figures.style import save_figure
    from transfer_atlas.store.tables import read_table

    params, output = snakemake.params, snakemake.output
    plot = getattr(import_module(f"transfer_atlas.figures.{params.figure}"), f"plot_{params.figure}")
    tables, models = list(map(read_table, snakemake.input.tables)), read_table(snakemake.input.models)
    for method, path in zip(params.methods, output.methods, strict=True):
        save_figure(plot(*(of_method(table, method) for table in tables)), [path])
    for family, path in zip(params.families, output.families, strict=True):
        save_figure(plot(*(of_family(table, family, models) for table in tables)), [path])
