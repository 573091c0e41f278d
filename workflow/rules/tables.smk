"""A study whose tables were handed over: figures and recommendations need nothing else.

INPUTS
    <results>/*.parquet

OUTPUTS
    TABLES  the tables that are there; no rule makes them
"""

TABLES = sorted(path.stem for path in Path(f"results/{STUDY}").glob("*.parquet"))
CONFIGS = []
if not TABLES:
    raise WorkflowError(
        f"results/{STUDY}: has no tables (*.parquet); put those of the study there"
    )
