"""The repository agrees with itself."""

import ast
import importlib
import inspect
import re
import tomllib
from graphlib import TopologicalSorter
from importlib.util import find_spec

import jupytext
import pytest
import yaml
from conftest import ROOT, SCHEMA, ZOO_SCHEMA
from jsonschema import Draft202012Validator
from kills import LOCAL, STAGES
from running import FIGURES_OF_PAIRS, FIGURES_OF_TRANSFERS, FIGURES_ON_REQUEST
from strikes import SLURM
from torchvision.transforms import v2

from transfer_atlas.images.augmentations import AUGMENTATIONS
from transfer_atlas.schemas.tables import SCHEMAS
from transfer_atlas.study.code import PACKAGE, digest_of_code, imports_of, is_plumbing, meaning_of, modules_of
from transfer_atlas.study.figures import figures_of
from transfer_atlas.tools.documentation import fill_in


def test_conda_environment_has_the_versions_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    names = {
        "pytorch": "torch",
        "snakemake-minimal": "snakemake",
        "matplotlib-base": "matplotlib",
        "seaborn-base": "seaborn",
    }
    in_conda = dict(re.match(r"([\w-]+)(.*)", entry).groups() for entry in conda if isinstance(entry, str))
    in_conda = {names.get(name, name): versions for name, versions in in_conda.items() if name not in ("python", "pip")}
    assert in_conda == dict(re.match(r"([\w-]+)(.*)", entry).groups() for entry in project)


def test_every_key_is_described_and_the_docs_are_up_to_date():
    for schema in (SCHEMA, ZOO_SCHEMA):
        Draft202012Validator.check_schema(schema)
    text = (ROOT / "config/README.md").read_text()
    assert text == fill_in(text, ROOT / "workflow/schemas")
    assert "| `transfer.lr` | Learning rate. | 0.0001 | transfers |" in text


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def rooms_of_contributing():
    """(rooms, ground floor) in the order of the table: a room imports from those above it and from the ground floor."""
    *rows, ground = [row[0] for row in rows_of("CONTRIBUTING.md", "The house")]
    return [row.strip("`/") for row in rows], re.findall(r"`(\w+)/?`", ground)


def test_the_table_of_rooms_is_what_the_imports_say():
    rooms, ground = rooms_of_contributing()
    there = {room(path) for path in PACKAGE.rglob("*.py")} - {"__init__", "__main__", "datasets"}
    assert sorted([*rooms, *ground]) == sorted(there)
    for path in PACKAGE.rglob("*.py"):
        here = room(path)
        if here not in there:
            continue
        allowed = (*ground, *rooms[: rooms.index(here) + 1]) if here in rooms else ground[: ground.index(here) + 1]
        assert [module for module in imports_of(path) if room(module) not in allowed] == [], path


def test_plumbing_defines_no_number_that_a_result_depends_on():
    """Numbers of files, schemas, errors and jobs stay there, because an edit of them reruns nothing."""
    plumbing = {path for path in PACKAGE.rglob("*.py") if is_plumbing(path)}
    numbers = {
        (module_name(path), name)
        for path in plumbing
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign) and any(isinstance(part, ast.Constant) for part in ast.walk(node.value))
        for target in node.targets
        for name in [ast.unparse(target)]
        if has_number(getattr(importlib.import_module(module_name(path)), name, None))
    }
    assert ("transfer_atlas.store.checksums", "CHUNK") in numbers
    for path in set(PACKAGE.rglob("*.py")) - plumbing:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert not {(node.module, alias.name) for alias in node.names} & numbers, path


def module_name(path):
    return ".".join(("transfer_atlas", *path.relative_to(PACKAGE).with_suffix("").parts))


def has_number(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return any(map(has_number, value))
    return isinstance(value, int | float) and not isinstance(value, bool)


def test_a_number_of_the_tables_reruns_what_reads_it_and_a_message_of_the_files_does_not():
    """The shares of flips that tables are made for, against another wording of an error in plumbing."""
    for script in ("compare_models", "transfer"):
        found = modules_of(ROOT / f"workflow/scripts/{script}.py")
        assert PACKAGE / "statistics.py" in found
        assert not [path for path in found if is_plumbing(path)]
    assert "TOP_PERCENTS = " in (PACKAGE / "statistics.py").read_text()
    assert is_plumbing(PACKAGE / "store/checksums.py")


def test_imports_have_no_circle():
    graph = {path: set(imports_of(path)) - {path} for path in PACKAGE.rglob("*.py")}
    list(TopologicalSorter(graph).static_order())


def test_what_is_imported_from_the_package_is_there():
    """Also where nothing but a job, a notebook or a benchmark would tell."""
    files = [path for folder in ("benchmarks", "docs", "notebooks", "tests") for path in (ROOT / folder).glob("*.py")]
    files += (ROOT / "workflow/scripts").glob("*.py")
    wanted = {
        (node.module, alias.name)
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("transfer_atlas")
        for alias in node.names
    }
    assert len(wanted) > 100
    for module, name in sorted(wanted):
        assert hasattr(importlib.import_module(module), name) or find_spec(f"{module}.{name}"), f"{module}: {name}"


def test_files_and_functions_stay_short():
    for folder, most in (("src", 250), ("workflow/scripts", 35)):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text()
            assert text.count("\n") <= most, path
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef):
                    assert node.end_lineno - node.lineno < 45, f"{path}: {node.name}"

    for path in (ROOT / "workflow/rules").glob("*.smk"):
        assert path.read_text().count("\n") <= 130, path


# replaced by what CONTRIBUTING.md, "Words", calls logits, predictions and loss
RETIRED = r"\b(answers?|answered|objectives?)\b"
# the squeue of Slurm that answers, and a column of the tables that has kept its name
STILL_THERE = r"squeue|epoch_objective|[\"|] ?objective"


def test_retired_words_are_gone():
    """In the package's code and docstrings, and in what people read."""
    files = [*(ROOT / "src/transfer_atlas").rglob("*.py"), ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    files += [ROOT / "CONTRIBUTING.md", ROOT / "config/README.md", *(ROOT / "workflow").rglob("*.rst")]
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in files
        for line in path.read_text().splitlines()
        if re.search(RETIRED, line, flags=re.I) and not re.search(STILL_THERE, line)
    ]
    assert found == []


def test_a_digest_of_code_ignores_words_and_sees_numbers(tmp_path):
    path = tmp_path / "m.py"
    digests = []
    for text in (
        '"""A."""\ndef f(x):\n    """B."""\n    return x + 1\n',
        "def f(x):\n    # C\n    return (x + 1)\n",
        "def f(x):\n    return x + 2\n",
    ):
        path.write_text(text)
        meaning_of.cache_clear()
        digests.append(digest_of_code(path))
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("script", "rooms", "strangers"),
    [
        ("decode_images", {"images/pixels.py", "images/readers.py"}, {"zoo/build.py", "images/views.py"}),
        ("compute_logits", {"logits/inference.py", "zoo/build.py", "images/views.py"}, {"transfer/loop.py"}),
        ("embed_classes", {"complementarity/classes.py", "logits/zoo_predictions.py"}, {"zoo/build.py"}),
        ("compare_models", {"complementarity/flip_kernels.py", "statistics.py"}, {"zoo/build.py"}),
        ("transfer", {"transfer/loop.py", "transfer/losses.py", "statistics.py"}, {"zoo/training.py"}),
        ("train_model", {"zoo/training.py", "zoo/build.py"}, {"transfer/loop.py", "zoo/anatomy.py"}),
    ],
)
def test_a_job_depends_on_what_it_imports(script, rooms, strangers):
    found = {
        str(path.relative_to(PACKAGE))
        for path in modules_of(ROOT / f"workflow/scripts/{script}.py")
        if PACKAGE in path.parents
    }
    assert rooms <= found
    assert not strangers & found
    assert not {"store/tables.py", "jobs/log.py", "errors.py"} & found


def test_every_transform_of_the_schema_exists_with_its_options():
    transforms = SCHEMA["properties"]["views"]["properties"]["transforms"]
    assert list(AUGMENTATIONS) == list(transforms["options"]) == transforms["items"]["properties"]["name"]["enum"]
    for name, kind in AUGMENTATIONS.items():
        assert list(inspect.signature(kind.apply).parameters)[2:] == transforms["options"][name]
        assert hasattr(v2, name)


def test_every_rule_has_a_script_of_its_name():
    rules = "\n".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    named_in_loops = set(re.findall(r'\("(\w+)", "\w+", block', rules))
    scripts = set(re.findall(r"scripts/(\w+)\.py", rules))
    named = set(re.findall(r"^ *(?:rule|checkpoint) (\w+):", rules, flags=re.M)) | set(
        re.findall(r'name:\s+f?"(\w+?)(?:_\{|")', rules)
    )
    assert scripts == {path.stem for path in (ROOT / "workflow/scripts").glob("*.py")}
    assert scripts - {"plot_figure"} <= named | named_in_loops


def test_every_wildcard_is_explained():
    rules = "".join(path.read_text() for path in (ROOT / "workflow").rglob("*.smk"))
    scripts = "".join(path.read_text() for path in (ROOT / "workflow/scripts").glob("*.py"))
    used = set(re.findall(r"wildcards\.(\w+)", rules + scripts)) - {"get"}
    explained = (ROOT / "docs/wildcards.md").read_text()
    assert len(used) > 6
    assert {name for name in used if f"| `{{{name}}}`" not in explained and f", `{{{name}}}`" not in explained} == set()


def test_every_figure_has_a_function_its_tables_and_a_caption():
    functions = {
        path.stem
        for path in (ROOT / "src/transfer_atlas/figures").glob("*.py")
        if f"def plot_{path.stem}(" in path.read_text()
    }
    assert functions == {path.stem for path in (ROOT / "workflow/report").glob("*.rst")} - {"workflow"}
    assert functions == set(figures_of(SCHEMAS))


@pytest.mark.parametrize("source", sorted((ROOT / "notebooks").glob("*.py")), ids=lambda path: path.stem)
def test_an_executed_notebook_is_its_source(source):
    written, executed = (jupytext.read(source.with_suffix(suffix)) for suffix in (".py", ".ipynb"))
    assert [(cell.cell_type, cell.source) for cell in executed.cells] == [
        (cell.cell_type, cell.source) for cell in written.cells
    ]
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    figures = sum("image/png" in output.get("data", {}) for cell in code for output in cell.outputs)
    drawn = re.findall(r"^plot_|^ *figure, ax", source.read_text(), flags=re.M)
    assert figures == len(drawn)


def rows_of(page, heading):
    """Cells of the first table below a heading."""
    section = re.split(r"\n##+ ", (ROOT / page).read_text().split(f"## {heading}\n")[1])[0]
    rows = [re.split(r" *\| *", line)[1:-1] for line in section.splitlines() if line.startswith("|")]
    return rows[2:]


def test_every_figure_and_table_of_the_paper_has_a_target_or_a_reason():
    rows = rows_of("docs/method.md", "Figures and tables of the paper")
    papers = " ".join(row[0] for row in rows)
    assert all(name in papers for name in ("Fig. 1", "Fig. 2", "Fig. 3", "Fig. 4a", "Fig. 4b", "Fig. 4c", "Fig. 5a"))
    assert all(name in papers for name in ("Fig. 5b", "Tab. 1", "Tab. 3", "Tab. 4"))
    targets = [re.match(r"`results/[\w<>]+/(?:figures/)?(\w+)\.(?:pdf|txt)`", row[1]) for row in rows]
    assert all(found or row[1].startswith("none: ") for found, row in zip(targets, rows, strict=True))
    mapped = {found[1] for found in targets if found} - {"summary"}
    assert mapped == FIGURES_OF_PAIRS | FIGURES_OF_TRANSFERS | FIGURES_ON_REQUEST


def test_every_method_of_the_paper_is_in_the_config_and_in_the_docs():
    defaults = SCHEMA["properties"]["transfer"]["properties"]["methods"]["default"]
    entries = {}
    for _, entry, paper in rows_of("docs/method.md", "Loss"):
        ((method, spec),) = yaml.safe_load(entry.strip("`")).items()
        entries[method] = (spec, paper)
    assert {method: spec for method, (spec, _) in entries.items() if method in defaults} == defaults
    assert {paper for _, paper in entries.values() if paper.strip()} == {
        "KL-Dist",
        "XE-KL-Dist",
        "XE-KL-Dist + MCL",
        "KL-Dist + DP",
        "KL-Dist + DP, unsupervised",
        "CD",
        "CRD",
    }
    baselines = yaml.safe_load((ROOT / "config/imagenet_baselines.yaml").read_text())["transfer"]["methods"]
    for method, recipe in baselines.items():
        assert entries[method][0].items() <= recipe.items(), method


def test_every_cell_of_the_kill_matrix_ended_well():
    for heading, strikes in (("On one machine", LOCAL), ("On Slurm", SLURM)):
        rows = rows_of("docs/reliability.md", heading)
        assert [row[0].strip() for row in rows] == list(strikes)
        for row in rows:
            assert len(row) == 1 + len(STAGES)
            assert all(re.match(r"(\d+) of \1 equal; ", cell.strip()) for cell in row[1:]), row
