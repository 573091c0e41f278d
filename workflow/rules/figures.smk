"""Figures, each a target of its own; every rule reads gathered tables only.

INPUTS
    <results>/{table}.parquet

OUTPUTS
    plot_<figure>         <results>/figures/<figure>.pdf and .png
    figures               all of them
    plot_groups_<figure>  <results>/figures/by_method/<method>/<figure>.png, by_family/<family>/<figure>.png
    show_table            <results>/tables/{table}.html
    report_pages          all pages of the report, the last two included

STEPS
    A figure is one function, `figures/<figure>.py: plot_<figure>`, one caption, `workflow/report/<figure>.rst`, and
    one line here: the tables that the function takes, in its order.
"""

FIGURES = {
    "Complementarity": {
        "complementarity": ["complementarity"],
        "flips_by_class": ["flips_by_class"],
        "flip_entropy": ["complementarity", "classes"],
        "class_similarity": ["complementarity"],
        "pair_matrix": ["complementarity", "models"],
        "pair_accuracy": ["complementarity"],
    },
    "Transfer": {
        "success_rate": ["transfers"],
        "transfer_delta": ["transfers", "complementarity"],
        "transfer_rate": ["transfers", "models"],
        "class_transfer_rate": ["transfers"],
        "gain_loss": ["transfers", "models"],
        "delta_matrix": ["deltas", "models"],
        "teams": ["teams"],
        "learning_curves": ["histories"],
        "agreement": ["agreement"],
    },
    "What explains it": {
        "delta_by_difference": ["transfers", "complementarity"],
        "delta_by_property": ["transfers", "models"],
        "property_correlation": ["transfers", "complementarity", "models"],
        "property_regression": ["transfers", "complementarity", "models"],
    },
    "Scaling": {
        "teacher_count": ["transfers", "complementarity"],
        "scaling": ["sweeps"],
    },
}
# of these, the ones whose tables this study has
DRAWN = {
    figure: (category, tables)
    for category, figures_of_category in FIGURES.items()
    for figure, tables in figures_of_category.items()
    if set(tables) <= set(TABLES)
}

for figure, (category, tables) in DRAWN.items():

    rule:
        name:
            f"plot_{figure}"
        input:
            tables=[f"<results>/{table}.parquet" for table in tables],
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


# for the report, and only where it is made: figures of one method or family alone, and tables to sort and to filter
GROUPED = {
    figure: (category, tables)
    for figure, (category, tables) in DRAWN.items()
    if {"transfers", "deltas", "histories", "sweeps"} & set(tables)
}

for figure, (category, tables) in GROUPED.items():

    rule:
        name:
            f"plot_groups_{figure}"
        input:
            tables=[f"<results>/{table}.parquet" for table in tables],
            models="<results>/models.parquet",
        output:
            methods=[
                group_file(figure, category, "method", method) for method in TAUGHT
            ],
            families=[
                group_file(figure, category, "family", family) for family in FAMILIES
            ],
        log:
            f"<logs>/plot_groups_{figure}.log",
        localrule: True
        resources:
            mem_mb=growing(4000),
            runtime=growing(10),
        params:
            figure=figure,
            methods=TAUGHT,
            families=FAMILIES,
            code=code_of(
                "plot_groups", f"figures/{figure}.py", "figures/paper.mplstyle"
            ),
        script:
            "../scripts/plot_groups.py"


localrules:
    report_pages,


rule show_table:
    input:
        "<results>/{table}.parquet",
    output:
        report(
            "<results>/tables/{table}.html",
            category="Tables",
            labels={"table": "{table}"},
        ),
    log:
        "<logs>/show_table/{table}.log",
    localrule: True
    params:
        code=code_of("show_table", "figures/table_page.html"),
    script:
        "../scripts/show_table.py"


rule report_pages:
    input:
        rules.figures.input,
        SUMMARIES,
        [
            f"<results>/figures/by_{kind}/{group}/{figure}.png"
            for figure in GROUPED
            for kind, groups in (("method", TAUGHT), ("family", FAMILIES))
            for group in groups
        ],
        [f"<results>/tables/{table}.html" for table in TABLES],
