"""Pages that only the report needs: figures of one method or family alone, and tables to sort and to filter.

INPUTS
    <results>/{table}.parquet

OUTPUTS
    plot_groups_<figure>  <results>/figures/by_method/<figure>/<method>.png, by_family/<figure>/<family>.png, where
                          there is enough data
    show_table            <results>/tables/{table}.html
    report_pages          all figures and pages of the report
"""

FAMILIES = ["convolution", "transformer", "mlp"]
WITH_TEACHER = methods.with_teacher(METHODS)
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
            tables=figures.table_paths(tables, IN_PARTS),
            models="<results>/models.parquet",
        output:
            methods=group_files(figure, category, "method"),
            families=group_files(figure, category, "family"),
        log:
            f"<logs>/plot_groups_{figure}.log",
        localrule: True
        resources:
            mem_mb=growing(4000),
            runtime=growing(10),
        params:
            figure=figure,
            methods=WITH_TEACHER,
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
        lambda wildcards: figures.table_paths([wildcards.table], IN_PARTS),
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
        TEXTS,
        [
            f"<results>/figures/by_{kind}/{figure}"
            for figure in GROUPED
            for kind in ("method", "family")
        ],
        [f"<results>/tables/{table}.html" for table in TABLES],
        ["<results>/atlas.html"] * config["has_page"],
