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
        "class_transfer_rate": ["transfers"],
        "gain_loss": ["transfers", "models"],
        "delta_matrix": ["transfers", "models"],
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
