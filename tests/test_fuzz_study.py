"""Configs, zoo sheets and tables of labels as people mangle them: what was meant, or one line of error; nothing else.

`make fuzz` draws 10,000 examples, the test suite few.
"""

import copy
import os
import tempfile
from pathlib import Path

import yaml
from conftest import ROOT, SCHEMA, ZOO_SCHEMA
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transfer_atlas.errors import InputError
from transfer_atlas.images.image_folder import read_label_table
from transfer_atlas.study import config as study_config
from transfer_atlas.study import improve, pairs, plan, sheet, streams, teams

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))
FUZZ = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=EXAMPLES < 1000
)
BASE = yaml.safe_load((ROOT / "config/config.yaml").read_text()) | {
    "teams": {"teachers": {"two": ["test_resnet.long", "test_vit.long"]}, "students": ["gmlp.short"]},
    "improve": {"stream": {"method": "kl_dp"}},
    "sweep": {"epochs": [1, 2]},
}
MODELS = sheet.read_zoo(ROOT / "config/embedded_zoo.tsv", ZOO_SCHEMA, BASE["zoo"]["recipes"])
VALUES = (
    None,
    "",
    "x",
    "1e-4",
    "gmlp.short",
    0,
    -1,
    1,
    1.5,
    10**12,
    float("nan"),
    True,
    [],
    ["x"],
    [None],
    {},
    {"x": 1},
    {1: 2},
)


def places_in(value, path=()):
    """Paths of all keys and items of a nested config."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += places_in(item, (*path, key))
    return found


def mangle(config, draw):
    """Change one place of a config as people do, in place."""
    *parents, last = draw(st.sampled_from(places_in(config)))
    section = config
    for parent in parents:
        section = section[parent]
    change = draw(st.sampled_from(["replace", "remove", "misspell", "repeat"]))
    if change == "replace":
        section[last] = copy.deepcopy(draw(st.sampled_from(VALUES)))
    elif change == "remove":
        del section[last]
    elif change == "misspell" and isinstance(section, dict):
        section[f"{last}s"] = section.pop(last)
    elif isinstance(section, list):
        section.append(section[last])


def plan_study(config):
    """What a start of Snakemake checks and plans of a config, without its files."""
    study_config.check_study(config, SCHEMA)
    if "zoo" not in config:
        return
    methods = config["transfer"]["methods"]
    for model, row in MODELS.items():
        sheet.geometry_of({"model": model} | row, config.get("geometry", {}), "sheet")
    chosen_later = "choose" in config["pairs"]
    chosen = (pairs.check_students if chosen_later else pairs.choose_pairs)(config["pairs"], MODELS)
    of_teams = teams.choose_teams(config.get("teams"), chosen, methods)
    sweeps = plan.sweeps_of(config.get("sweep", {}))
    tried = improve.methods_to_try(config["improve"], methods)
    of_improve = improve.pairs_to_try(config["improve"], chosen, MODELS)
    chosen_streams = streams.choose_streams(config["improve"], of_improve, tried)
    streams.trainings_of_streams(config["improve"], tried, chosen_streams, of_improve)
    if not chosen_later:
        blocks = plan.transfer_blocks(chosen, methods, config["transfer"]["pairs_per_job"])
        for block in blocks:
            for one in [None, *sweeps]:
                block.log_name(one)
        plan.points_of(sweeps, methods, plan.transfers_of(chosen, methods))
        plan.trainings_of(sweeps, methods, plan.transfers_of(chosen, methods))
    teams.trainings_of_teams(config.get("teams"), methods, of_teams)


def test_the_study_that_is_mangled_is_sound():
    plan_study(copy.deepcopy(BASE))


@FUZZ
@given(st.data())
def test_a_mangled_config_is_planned_or_one_line(data):
    config = copy.deepcopy(BASE)
    for _ in range(data.draw(st.integers(1, 3))):
        mangle(config, data.draw)
    try:
        plan_study(config)
    except InputError as error:
        assert "\n" not in str(error)
        assert "config" in str(error) or "sheet" in str(error), str(error)


COLUMNS = ["model", "architecture", "weights", "kwargs", "input_size", "mean"]
CELLS = {
    "model": ["resnet50.a", "vit.b", "mlp-c"],
    "architecture": ["resnet18", "timm.models.mlp_mixer.MlpMixer", "torchvision.models:resnet18"],
    "weights": ["train:long", "hub"],
    "kwargs": ['{"patch_size": 8}', ""],
    "input_size": ["32", ""],
    "mean": ["[0.5, 0.5, 0.5]", ""],
}
ODD_CELLS = [
    "",
    " ",
    "x",
    "-1",
    "1.5",
    "[1, 2]",
    "{",
    "none",
    "..",
    "a/b",
    "é",
    "'",
    '"',
    "NaN",
    "1e999",
    "train:",
    "null",
]


@FUZZ
@given(st.data())
def test_a_mangled_zoo_sheet_is_read_as_it_stands_or_one_line(data):
    draw = data.draw
    columns = draw(st.permutations(COLUMNS))
    rows = [{name: draw(st.sampled_from(CELLS[name])) for name in COLUMNS} for _ in range(3)]
    for number, row in enumerate(rows):
        row["model"] = CELLS["model"][number]
    lines = [list(columns), *([row[name] for name in columns] for row in rows)]
    harmed = draw(st.booleans())
    if harmed:
        line, column = draw(st.integers(0, 3)), draw(st.integers(0, len(columns) - 1))
        lines[line][column] = draw(st.sampled_from(ODD_CELLS))
        if draw(st.booleans()):
            lines[line].append("x")
    end = draw(st.sampled_from(["\n", "\r\n"]))
    text = draw(st.sampled_from(["", "\ufeff"])) + end.join("\t".join(line) for line in lines) + end
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "zoo.tsv"
        path.write_bytes(text.encode())
        try:
            zoo = sheet.read_zoo(path, ZOO_SCHEMA, {"long": {}})
        except InputError as error:
            assert harmed, str(error)
            assert "\n" not in str(error)
            assert str(path) in str(error)
            return
    if not harmed:
        assert list(zoo) == CELLS["model"]
        for row in rows:
            read = zoo[row["model"]]
            assert (read["architecture"], read["weights"]) == (row["architecture"], row["weights"])
            assert read.get("input_size") == (32 if row["input_size"] else None)
            assert read.get("mean") == ([0.5, 0.5, 0.5] if row["mean"] else None)


@FUZZ
@given(st.data())
def test_a_mangled_table_of_labels_is_read_as_it_stands_or_one_line(data):
    draw = data.draw
    classes = draw(st.sampled_from([["cat", "dog"], ["0", "1"], ["n01", "n02"], ["NA", "true"], ["Ä", "日本"]]))
    rows = [[f"{number}.png", draw(st.sampled_from(classes))] for number in range(draw(st.integers(1, 6)))]
    header, delimiter = ["image", "label"], draw(st.sampled_from([",", "\t"]))
    harm = draw(st.sampled_from([None, None, "twice", "longer", "shorter", "column", "encoding", "empty"]))
    meant = dict(rows)
    if harm == "twice":
        rows.append(rows[0])
    elif harm == "longer":
        rows[-1] = [*rows[-1], "x"]
    elif harm == "shorter":
        rows[-1] = rows[-1][:1]
    elif harm == "column":
        header = ["image", "class"]
    elif harm == "empty":
        rows[0][1] = ""
    lines = [delimiter.join(line) for line in [header, *rows]]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.csv"
        text = draw(st.sampled_from(["", "\ufeff"])) + draw(st.sampled_from(["\n", "\r\n"])).join(lines) + "\n"
        path.write_bytes(text.encode("utf-16" if harm == "encoding" else "utf-8"))
        try:
            read = read_label_table(path).to_dict()
        except InputError as error:
            assert harm is not None, str(error)
            assert "\n" not in str(error)
            assert str(path) in str(error)
            return
    assert harm is None, f"{harm} went through"
    assert read == meant
