"""All figures by category, each with the tables that it is drawn from, in the order of its function's arguments.

The figure NAME is `plot_NAME` in `figures/NAME.py`, with the caption `workflow/report/NAME.rst`.
"""

FIGURES = {
    "Complementarity": {
        "complementarity": ["complementarity"],
        "flips_over_expected": ["complementarity"],
        "flips_by_class": ["flips_by_class", "classes"],
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
    "Better students": {
        "strategies": ["strategies"],
        "ledger": ["ledger"],
        "regret_by_cost": ["choices"],
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
# in inches; text of 8 points has 16 points on a slide, which is twice as wide as a figure for the screen
WIDTHS = {"column": 3.35, "page": 6.9, "screen": 6.67}


def figures_of(tables):
    """The figures that a study with these tables has: dict of figure to (category, its tables)."""
    return {
        figure: (category, needed)
        for category, figures in FIGURES.items()
        for figure, needed in figures.items()
        if set(needed) <= set(tables)
    }


def table_paths(tables, in_parts):
    """Paths of the tables of a figure or page, below `<results>`.

    Args:
        tables: their names.
        in_parts: whether the comparison of all pairs is a folder of parts: then a figure takes the sample of it, save one of
            transfers, whose pairs are few.
    """
    sampled = in_parts and "transfers" not in tables
    names = {"complementarity": "complementarity_sample"} if sampled else {}
    return [f"<results>/{names.get(table, table)}.parquet" for table in tables]
