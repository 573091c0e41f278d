"""Tables of predictions as people mangle them: the right result by brute force, or one line of error; nothing else.

`make fuzz` draws 10,000 examples, the test suite few.
"""

import gzip
import os
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transfer_atlas.complementarity.imported import import_predictions
from transfer_atlas.errors import InputError

COLUMNS = {name: name for name in ("model", "image", "label", "prediction", "label_probability", "confidence")}
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))
POOLS = (
    ["cat", "dog", "NA"],
    ["0", "1", "2"],
    ["001", "01x", "1"],
    ["Ä", "ß", "日本"],
    ["true", "False", "none"],
    ["a,b", 'c"d', "e;f"],
)


def quoted(cell, delimiter):
    return (
        '"' + cell.replace('"', '""') + '"' if any(mark in cell for mark in (delimiter, '"', "\n", ",", ";")) else cell
    )


def shuffle(table, draw):
    order = draw(st.permutations(range(len(table["rows"]))))
    table["rows"] = [table["rows"][place] for place in order]


def reorder_columns(table, draw):
    order = draw(st.permutations(range(len(table["header"]))))
    table["header"] = [table["header"][place] for place in order]
    table["rows"] = [[row[place] for place in order] for row in table["rows"]]


def add_column(table, draw):
    table["header"] = [*table["header"], "comment"]
    table["rows"] = [[*row, draw(st.sampled_from(["", "x", "1.5"]))] for row in table["rows"]]


def pad_cells(table, draw):
    table["rows"] = [[f" {cell} " for cell in row] for row in table["rows"]]


def pad_header(table, draw):
    table["header"] = [f" {name} " for name in table["header"]]


def other_delimiter(table, draw):
    table["delimiter"] = draw(st.sampled_from(["\t", ";"]))


def mark_order(table, draw):
    table["start"] = "\ufeff"


def windows_lines(table, draw):
    table["newline"] = "\r\n"


def compress(table, draw):
    table["gzip"] = True


def drop_row(table, draw):
    del table["rows"][draw(st.integers(0, len(table["rows"]) - 1))]


def repeat_row(table, draw):
    table["rows"].append(draw(st.sampled_from(table["rows"])))


def empty_cell(table, draw):
    row, column = (
        draw(st.integers(0, len(table["rows"]) - 1)),
        table["header"].index(draw(st.sampled_from(["image", "label", "prediction"]))),
    )
    table["rows"][row] = [
        draw(st.sampled_from(["", "nan"])) if place == column else cell for place, cell in enumerate(table["rows"][row])
    ]


def drop_column(table, draw):
    place = table["header"].index(draw(st.sampled_from(["image", "label", "prediction"])))
    table["header"] = [name for number, name in enumerate(table["header"]) if number != place]
    table["rows"] = [[cell for number, cell in enumerate(row) if number != place] for row in table["rows"]]


def longer_row(table, draw):
    table["rows"][draw(st.integers(0, len(table["rows"]) - 1))] += ["x"]


def shorter_row(table, draw):
    row = draw(st.integers(0, len(table["rows"]) - 1))
    table["rows"][row] = table["rows"][row][:-1]


def other_label(table, draw):
    place = table["header"].index("label")
    row = table["rows"][draw(st.integers(0, len(table["rows"]) - 1))]
    row[place] = draw(st.sampled_from([name for name in table["pool"] if name != row[place]]))


def scores(table, draw):
    place = table["header"].index("prediction")
    table["rows"] = [
        [f"0.{number + 11}" if at == place else cell for at, cell in enumerate(row)]
        for number, row in enumerate(table["rows"])
    ]


def encode_in_utf16(table, draw):
    table["encoding"] = "utf-16"


def no_rows(table, draw):
    table["rows"] = []


HARMLESS = (
    shuffle,
    reorder_columns,
    add_column,
    pad_cells,
    pad_header,
    other_delimiter,
    mark_order,
    windows_lines,
    compress,
)
HARMFUL = (
    drop_row,
    repeat_row,
    empty_cell,
    drop_column,
    longer_row,
    shorter_row,
    other_label,
    scores,
    encode_in_utf16,
    no_rows,
)


def write(table, path):
    lines = [
        table["delimiter"].join(quoted(cell, table["delimiter"]) for cell in row)
        for row in [table["header"], *table["rows"]]
    ]
    content = (table["start"] + table["newline"].join(lines) + table["newline"]).encode(table["encoding"])
    path = Path(f"{path}.gz") if table["gzip"] else path
    path.write_bytes(gzip.compress(content) if table["gzip"] else content)
    return str(path)


def plain(images, labels, predictions, pool):
    rows = [list(row) for row in zip(images, labels, predictions, strict=True)]
    return {
        "header": ["image", "label", "prediction"],
        "rows": rows,
        "pool": pool,
        "delimiter": ",",
        "start": "",
        "newline": "\n",
        "gzip": False,
        "encoding": "utf-8",
    }


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=EXAMPLES < 1000)
@given(st.data())
def test_a_mangled_table_gives_the_right_counts_or_one_line(data):
    draw = data.draw
    pool, number = draw(st.sampled_from(POOLS)), draw(st.integers(3, 9))
    images = [f"{draw(st.sampled_from(['img', '00', 'n/']))}{place}" for place in range(number)]
    labels = [draw(st.sampled_from(pool)) for _ in images]
    labels[: len(pool)] = pool[: len(labels)]
    predictions = {name: [draw(st.sampled_from(pool)) for _ in images] for name in ("a.t", "b.t", "c.t")}
    for of_model in predictions.values():
        of_model[0] = labels[0]  # every model shares a class with the labels
    tables = {name: plain(images, labels, of_model, pool) for name, of_model in predictions.items()}
    harm = draw(st.one_of(st.none(), st.sampled_from(HARMFUL)))
    ragged = harm in (longer_row, shorter_row)
    if harm is not None and not ragged:
        harm(tables["b.t"], draw)
    for change in draw(st.lists(st.sampled_from(HARMLESS), unique=True, max_size=4)):
        change(tables["b.t"], draw)
    if ragged:  # last, for other changes need whole rows
        harm(tables["b.t"], draw)
    with tempfile.TemporaryDirectory() as folder:
        files = [write(table, Path(folder) / f"{name}.csv") for name, table in tables.items()]
        try:
            imported = import_predictions(files, COLUMNS, "fail")
        except InputError as error:
            message = str(error)
            assert harm is not None, message
            assert "\n" not in message
            assert "b.t" in message, message
            return
    assert harm is None, f"{harm.__name__} went through"
    for name, of_model in predictions.items():
        table = imported.predictions[name].set_index("image")["correct"]
        expected = dict(zip(images, np.array(of_model) == np.array(labels), strict=True))
        assert table.to_dict() == expected
