"""Figures, each a target of its own; every rule reads gathered tables only.

INPUTS
    <results>/{table}.parquet

OUTPUTS
    plot_<figure>          <results>/figures/<figure>.pdf and .png
    figures                all of them
    plot_at_width          <results>/figures/{width}/<figure>.pdf and .png; width: column, page or screen
    figures_at_all_widths  all figures at each width

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
    figures_at_all_widths,


rule figures:
    input:
        [
            f"<results>/figures/{figure}.{suffix}"
            for figure in DRAWN
            for suffix in ("pdf", "png")
        ],


rule plot_at_width:
    input:
        tables=lambda wildcards: figures.table_paths(
            DRAWN[wildcards.figure][1], IN_PARTS
        ),
    output:
        pdf="<results>/figures/{width}/{figure}.pdf",
        png="<results>/figures/{width}/{figure}.png",
    log:
        "<logs>/plot_at_width/{width}/{figure}.log",
    wildcard_constraints:
        width="|".join(figures.WIDTHS),
        figure="|".join(DRAWN),
    localrule: True
    resources:
        mem_mb=growing(4000),
        runtime=growing(10),
    params:
        figure="{figure}",
        width="{width}",
        code=lambda wildcards: code_of(
            "plot_figure", f"figures/{wildcards.figure}.py", "figures/paper.mplstyle"
        ),
    script:
        "../scripts/plot_figure.py"


rule figures_at_all_widths:
    input:
        [
            f"<results>/figures/{width}/{figure}.{suffix}"
            for width in figures.WIDTHS
            for figure in DRAWN
            for suffix in ("pdf", "png")
        ],
