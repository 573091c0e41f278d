"""A table as a page of the report: click a heading to sort, type to filter."""

from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

from transfer_atlas.schemas.tables import SCHEMAS

MOST_ROWS = 2000
# what no reader looks at in a row: curves have a table of their own
LISTS = ("epoch_", "top")


def render_table(frame, table):
    """A self-contained HTML page, with the meaning of each column at its heading.

    Args:
        frame: a table of the study.
        table: its name in SCHEMAS.

    Returns:
        HTML; the first 2,000 rows of a longer table, which says so.
    """
    columns = [name for name in frame if not name.startswith(LISTS) and frame[name].notna().any()]
    shown = frame[columns].head(MOST_ROWS)
    rest = f", the first {MOST_ROWS:,} of them here" if len(frame) > MOST_ROWS else ""
    cells = pd.DataFrame({name: shown[name].map(_cell) for name in columns})
    page = Path(__file__).with_name("table_page.html").read_text()
    parts = {
        "TITLE": f"{table}: {len(frame):,} rows{rest}",
        "HEADINGS": "".join(_heading(table, name) for name in columns),
        "ROWS": "\n".join(f"<tr><td>{'<td>'.join(row)}</tr>" for row in cells.itertuples(index=False)),
    }
    for name, part in parts.items():
        page = page.replace(f"<!-- {name} -->", part)
    return page


def _heading(table, name):
    # a table of another version may have columns that this one does not know
    known = SCHEMAS[table].field(name).metadata if name in SCHEMAS[table].names else {}
    meaning, unit = (known.get(key, b"").decode() for key in (b"description", b"unit"))
    return f'<th title="{escape(meaning)}">{escape(name)}' + (f"<br><small>{escape(unit)}</small>" if unit else "")


def _cell(value):
    if isinstance(value, np.ndarray | list):
        return ", ".join(map(_cell, value))
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.4g}"
    return "" if value is None or value is pd.NA else escape(str(value))
