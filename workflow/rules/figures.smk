"""Figures, each a target of its own; every rule reads gathered tables only.

INPUTS
    <results>/{table}.parquet

OUTPUTS
    plot_<figure>  <results>/figures/<figure>.pdf and .png
    figures        all of them

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
    },
}
if IMPORTED:
    del FIGURES["Transfer"]

for category, figures_of_category in FIGURES.items():
    for figure, tables in figures_of_category.items():

        rule:
            name:
                f"plot_{figure}"
            input:
                tables=[f"<results>/{table}.parquet" for table in tables],
                code=figure_code(figure),
            output:
                **figure_files(figure, category),
            log:
                f"<logs>/plot_{figure}.log",
            resources:
                mem_mb=4000,
                runtime=10,
            params:
                figure=figure,
            script:
                "../scripts/plot_figure.py"


localrules:
    figures,


rule figures:
    input:
        [
            f"<results>/figures/{figure}.{suffix}"
            for figures_of_category in FIGURES.values()
            for figure in figures_of_category
            for suffix in ("pdf", "png")
        ],
