"""Figures, each a target of its own; every rule reads gathered tables only.

INPUTS
    <results>/{table}.parquet

OUTPUTS
    plot_<figure>  <results>/figures/<figure>.pdf and .png
    figures        all of them

STEPS
    A figure is one function, `figures/<figure>.py: plot_<figure>`, one caption, `workflow/report/<figure>.rst`, and
    one line of FIGURES in src/transfer_atlas/study/figures.py: the tables that the function takes, in its order.
"""

DRAWN = figures.figures_of(TABLES)


for figure, (category, tables) in DRAWN.items():

    rule:
        name:
            f"plot_{figure}"
        input:
            tables=figures.table_paths(tables, IN_PARTS),
        output:
            **figure_files(figure, category),
        log:
            f"<logs>/plot_{figure}.log",
        localrule: True
        resources:
            mem_mb=growing(4000),
            runtime=growing(10),
        params:
            figure=figure,
            code=code_of(
                "plot_figure", f"figures/{figure}.py", "figures/paper.mplstyle"
            ),
        script:
            "../scripts/plot_figure.py"


localrules:
    figures,


rule figures:
    input:
        [
            f"<results>/figures/{figure}.{suffix}"
            for figure in DRAWN
            for suffix in ("pdf", "png")
        ],
