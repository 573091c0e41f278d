"""The atlas page: all models of a study in one HTML file that computes every number itself; made where it is asked for.

INPUTS
    PREDICTIONS  predictions of all models on the evaluation images
    <results>/classes.parquet, models.parquet, complementarity.parquet; deltas.parquet and
    recommend/expected.parquet where the study has transfers

OUTPUTS
    atlas  <results>/atlas.html
"""

# the parts of the page that are no Python
PAGE_PARTS = sorted(
    f"page/{path.name}"
    for path in (code.PACKAGE / "page").iterdir()
    if path.suffix in (".html", ".css", ".js")
)

# of all pairs of more models the page would become too large
SHOWS_EXPECTED = "transfers" in TABLES and len(ZOO) <= 300


rule atlas:
    input:
        predictions=PREDICTIONS,
        classes="<results>/classes.parquet",
        models="<results>/models.parquet",
        pairs=figures.table_paths(["complementarity"], IN_PARTS),
        deltas=["<results>/deltas.parquet"] * ("deltas" in TABLES),
        expected=["<results>/recommend/expected.parquet"] * SHOWS_EXPECTED,
    output:
        report("<results>/atlas.html", category="Atlas"),
    log:
        "<logs>/atlas.log",
    localrule: True
    resources:
        mem_mb=growing(3000),
        runtime=growing(30),
    params:
        study=STUDY,
        code=code_of("atlas", *PAGE_PARTS),
    script:
        "../scripts/atlas.py"
