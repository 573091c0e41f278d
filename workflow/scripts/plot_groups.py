"""Plot one figure for each method and for the students of each family, where these have enough data."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from importlib import import_module

    from transfer_atlas.analysis.inputs import read_in_order
    from transfer_atlas.figures.groups import draw_groups, of_family, of_method
    from transfer_atlas.store.tables import read_table

    params, output = snakemake.params, snakemake.output
    plot = getattr(import_module(f"transfer_atlas.figures.{params.figure}"), f"plot_{params.figure}")
    tables, models = read_in_order(snakemake.input.tables), read_table(snakemake.input.models)
    of_methods = {name: [of_method(table, name) for table in tables] for name in params.methods}
    of_families = {name: [of_family(table, name, models) for table in tables] for name in params.families}
    draw_groups(plot, of_methods, output.methods)
    draw_groups(plot, of_families, output.families)
