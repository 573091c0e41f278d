"""The key tables of config/README.md and docs/results.md, made from the schemas.

`python -m transfer_atlas.tools.documentation` rewrites them in place, from the repository's root.
"""

import json
import re
from pathlib import Path

from transfer_atlas.errors import InputError
from transfer_atlas.schemas.tables import SCHEMAS
from transfer_atlas.study.config import load_schema

README = Path("config/README.md")
RESULTS = Path("docs/results.md")
CONFIG_SCHEMAS = Path("workflow/schemas")


def describe_keys(schema, prefix="", reruns="", leave_out=()):
    """Rows (key, meaning, default, change reruns) of a schema, section by section.

    Args:
        schema: schema of an object.
        prefix: what stands before its keys.
        reruns: what a change reruns where a key does not say.
        leave_out: maps that have a table of their own, by full key.
    """
    rows = []
    for key, sub in schema.get("properties", {}).items():
        full, then = f"{prefix}{key}", sub.get("reruns", reruns)
        entries = sub.get("additionalProperties")
        if sub.get("type") == "object" and "properties" in sub:
            rows += describe_keys(sub, f"{full}.", then, leave_out)
            continue
        rows.append((f"`{full}`", sub["description"], _default(sub, key in schema.get("required", [])), then))
        if isinstance(entries, dict) and "properties" in entries and full not in leave_out:
            rows += describe_keys(entries, f"{full}.<name>.", then)
    return rows


def _default(schema, required):
    if required:
        return "required"
    default = schema.get("default")
    if default is None or default in ({}, []):
        return ""
    if isinstance(default, dict):
        return ", ".join(default) if all(isinstance(value, dict) for value in default.values()) else _pairs(default)
    return f"`{default}`" if isinstance(default, str) else json.dumps(default)


def _pairs(default):
    return ", ".join(f"{key} {value}" for key, value in default.items())


def tables(schemas):
    """The tables by name, as Markdown.

    Args:
        schemas: folder of the schemas.
    """
    config, zoo = (load_schema(Path(schemas) / f"{name}.schema.yaml") for name in ("config", "zoo"))
    methods = config["properties"]["transfer"]["properties"]["methods"]["additionalProperties"]
    shared = config["properties"]["transfer"]["properties"]
    method_rows = [
        (key, meaning, "as under `transfer`" if key.strip("`") in shared else default)
        for key, meaning, default, _ in describe_keys(methods)
    ]
    return {
        "config": _table(
            ("key", "meaning", "default", "change reruns"), describe_keys(config, leave_out={"transfer.methods"})
        ),
        "method": _table(("key", "meaning", "default"), method_rows),
        "sheet": _table(("column", "meaning", "default"), [row[:3] for row in describe_keys(zoo)]),
    }


def _table(header, rows):
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def fill_in(text, schemas):
    """Replace what stands between `<!-- <name> -->` and `<!-- end -->` by the table of that name."""
    for name, table in tables(schemas).items():
        marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.S)
        text, places = marks.subn(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", text)
        if places != 1:
            raise InputError(f"{README}: <!-- {name} --> ... <!-- end --> stands there {places} times, not once")
    return text


PATHS = {
    "images": "results/<study>/images/<split>.parquet",
    "predictions": "results/<study>/predictions/<split>/<model>.parquet",
    "models": "results/<study>/models.parquet",
    "classes": "results/<study>/classes.parquet",
    "accepted_labels": "results/<study>/accepted_labels.parquet",
    "complementarity": "results/<study>/complementarity.parquet",
    "flips_by_class": "results/<study>/flips_by_class.parquet",
    "pairs": "results/<study>/pairs.parquet",
    "recommendations": "results/<study>/recommend/<student>.parquet",
    "expected_deltas": "results/<study>/recommend/expected.parquet",
    "recommendation_checks": "results/<study>/recommend/checks.parquet",
    "output_similarity": "results/<study>/output_similarity.parquet",
    "choices": "results/<study>/choices.parquet",
    "transfers": "results/<study>/transfers.parquet",
    "transfer": "results/<study>/transfers/<method>/<student>/<teacher>/<seed>.parquet",
    "deltas": "results/<study>/deltas.parquet",
    "delta_covariances": "results/<study>/delta_covariances.parquet",
    "methods": "results/<study>/methods.parquet",
    "histories": "results/<study>/histories.parquet",
    "team": "results/<study>/teams/<way>/<student>/<team>/<seed>.parquet",
    "teams": "results/<study>/teams.parquet",
    "stream": "results/<study>/streams/<way>/<student>/<seed>.parquet",
    "streams": "results/<study>/streams.parquet",
    "stages": "results/<study>/stages.parquet",
    "ledger": "results/<study>/ledger.parquet",
    "strategies": "results/<study>/strategies.parquet",
    "agreement": "results/<study>/agreement.parquet",
    "sweeps": "results/<study>/sweeps.parquet",
}

EXAMPLES = """
## Asking a table

Each of these lists the ten teachers with most complementary knowledge for one student. Only the named columns are read.

```python
import pandas as pd

columns = ["teacher", "positive_flips", "accuracy_difference"]
pairs = pd.read_parquet(
    "results/demo/complementarity.parquet", columns=columns, filters=[("student", "==", "gmlp.short")]
)
top = pairs.nlargest(10, "positive_flips")
```

```python
import duckdb

top = duckdb.sql(\"\"\"
    SELECT teacher, positive_flips, accuracy_difference FROM 'results/demo/complementarity.parquet'
    WHERE student = 'gmlp.short' ORDER BY positive_flips DESC LIMIT 10
\"\"\").df()
```

```python
import polars as pl

pairs = pl.scan_parquet("results/demo/complementarity.parquet").filter(pl.col("student") == "gmlp.short")
known = pairs.select("teacher", "positive_flips", "accuracy_difference")
top = known.top_k(10, by="positive_flips").collect().to_pandas()
```

With `complementarity.students_per_file` the table is a folder of files. The lines of pandas and Polars stay the same; DuckDB reads `'results/<study>/complementarity.parquet/*.parquet'`."""


def describe_tables():
    """Render docs/results.md: every table with its columns and units."""
    lines = [
        "# Tables",
        "",
        "Made by `python -m transfer_atlas.tools.documentation`; a test compares. Shares are fractions from 0 to 1.",
        "Every file carries its provenance as JSON in the Parquet schema metadata (`transfer_atlas.store.tables.read_metadata`):",
        "versions, commit, device, seconds, peak memory and the slice of the config that it depends on.",
        *EXAMPLES.splitlines(),
    ]
    for table, schema in SCHEMAS.items():
        lines += [
            "",
            f"## {table}: `{PATHS[table]}`",
            "",
            "| column | type | unit | meaning |",
            "| --- | --- | --- | --- |",
        ]
        for field in schema:
            meaning, unit = (field.metadata[key].decode() for key in (b"description", b"unit"))
            lines.append(f"| {field.name} | {str(field.type).replace('element: ', '')} | {unit} | {meaning} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    README.write_text(fill_in(README.read_text(), CONFIG_SCHEMAS))
    RESULTS.write_text(describe_tables())
