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
from transfer_atlas.study.code import PACKAGE, digest_of_code, imports_of, meaning_of, modules_of
from transfer_atlas.study.documentation import fill_in


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


def storey(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


# each storey imports from those before it and from the ground floor
STOREYS = ("study", "images", "zoo", "logits", "complementarity", "transfer", "recommend", "figures")
GROUND = (
    "columns",
    "errors",
    "files",
    "checksums",
    "arrays",
    "checkpoint",
    "schemas",
    "transfer_schemas",
    "tables",
    "provenance",
    "jobs",
    "statistics",
    "summary",
    "properties",
    "significance",
)


def test_imports_go_down_the_house():
    for path in PACKAGE.rglob("*.py"):
        here = storey(path)
        if here in ("__init__", "datasets"):
            continue
        assert here in STOREYS + GROUND, f"{path}: a room without a storey"
        allowed = (*GROUND, *STOREYS[: STOREYS.index(here) + 1]) if here in STOREYS else GROUND
        assert [module for module in imports_of(path) if storey(module) not in allowed] == [], path


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
    for folder, most in (("src", 260), ("workflow/scripts", 30)):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text()
            assert text.count("\n") <= most, path
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef):
                    assert node.end_lineno - node.lineno < 50, f"{path}: {node.name}"


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
        ("embed_classes", {"complementarity/classes.py", "logits/answers.py"}, {"zoo/build.py"}),
        ("compare_models", {"complementarity/flip_kernels.py", "statistics.py"}, {"zoo/build.py"}),
        ("transfer", {"transfer/loop.py", "transfer/objectives.py", "statistics.py"}, {"zoo/training.py"}),
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
    assert not {"tables.py", "jobs.py", "errors.py"} & found


def test_every_transform_of_the_schema_exists_with_its_options():
    transforms = SCHEMA["properties"]["views"]["properties"]["transforms"]
    assert list(AUGMENTATIONS) == list(transforms["options"]) == transforms["items"]["properties"]["name"]["enum"]
    for name, kind in AUGMENTATIONS.items():
        assert list(inspect.signature(kind.apply).parameters)[2:] == transforms["options"][name]
        assert hasattr(v2, name)


def test_every_rule_has_a_script_of_its_name():
    rules = "\n".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    scripts = set(re.findall(r"scripts/(\w+)\.py", rules))
    named = set(re.findall(r"^ *(?:rule|checkpoint) (\w+):", rules, flags=re.M)) | set(
        re.findall(r'name:\s+f?"(\w+?)(?:_\{|")', rules)
    )
    assert scripts == {path.stem for path in (ROOT / "workflow/scripts").glob("*.py")}
    assert scripts - {"plot_figure"} <= named


def test_every_wildcard_is_explained():
    rules = "".join(path.read_text() for path in (ROOT / "workflow").rglob("*.smk"))
    scripts = "".join(path.read_text() for path in (ROOT / "workflow/scripts").glob("*.py"))
    used = set(re.findall(r"wildcards\.(\w+)", rules + scripts)) - {"get"}
    explained = (ROOT / "docs/wildcards.md").read_text()
    assert len(used) > 6
    assert {name for name in used if f"| `{{{name}}}`" not in explained and f", `{{{name}}}`" not in explained} == set()


def test_every_figure_has_a_function_a_rule_and_a_caption():
    rules = (ROOT / "workflow/rules/figures.smk").read_text()
    functions = {
        path.stem
        for path in (ROOT / "src/transfer_atlas/figures").glob("*.py")
        if f"def plot_{path.stem}(" in path.read_text()
    }
    assert functions == {path.stem for path in (ROOT / "workflow/report").glob("*.rst")} - {"workflow"}
    assert functions == set(re.findall(r'^        "(\w+)": \[', rules, flags=re.M))


@pytest.mark.parametrize("source", sorted((ROOT / "notebooks").glob("*.py")), ids=lambda path: path.stem)
def test_an_executed_notebook_is_its_source(source):
    written, executed = (jupytext.read(source.with_suffix(suffix)) for suffix in (".py", ".ipynb"))
    assert [(cell.cell_type, cell.source) for cell in executed.cells] == [
        (cell.cell_type, cell.source) for cell in written.cells
    ]
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    figures = sum("image/png" in output.get("data", {}) for cell in code for output in cell.outputs)
    drawn = re.findall(r"^plot_|^figure, ax", source.read_text(), flags=re.M)
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
    for _, entry, paper in rows_of("docs/method.md", "Objective"):
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
