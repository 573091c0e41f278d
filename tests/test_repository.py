"""The repository agrees with itself."""

import re
import tomllib

import yaml
from conftest import ROOT, SCHEMA, ZOO_SCHEMA
from jsonschema import Draft202012Validator
from torchvision.transforms import v2


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


def keys_of(schema):
    """All keys of a schema that a user can write, with the names of maps left out."""
    for key, sub in schema.get("properties", {}).items():
        yield key
        yield from keys_of(sub)
    for part in ("additionalProperties", "items"):
        if isinstance(schema.get(part), dict):
            yield from keys_of(schema[part])


def test_every_key_is_documented_and_described():
    documented = (ROOT / "config/README.md").read_text()
    for schema in (SCHEMA, ZOO_SCHEMA):
        Draft202012Validator.check_schema(schema)
        assert [key for key in keys_of(schema) if not re.search(rf"[`.]{key}`|\.{key}\.|`{key}\.", documented)] == []


def test_every_transform_of_the_schema_exists():
    names = SCHEMA["properties"]["views"]["properties"]["transforms"]["items"]["properties"]["name"]["enum"]
    assert [name for name in names if not hasattr(v2, name)] == []


def test_every_rule_has_a_script_of_its_name():
    rules = "\n".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    scripts = set(re.findall(r"scripts/(\w+)\.py", rules))
    named = set(re.findall(r"^rule (\w+):", rules, flags=re.M)) | set(re.findall(r'name:\s+f"(\w+)_\{', rules))
    assert scripts == {path.stem for path in (ROOT / "workflow/scripts").glob("*.py")}
    assert scripts - {"plot_figure"} <= named


def test_every_figure_has_a_function_a_rule_and_a_caption():
    rules = (ROOT / "workflow/rules/figures.smk").read_text()
    functions = {
        path.stem
        for path in (ROOT / "src/transfer_atlas/figures").glob("*.py")
        if f"def plot_{path.stem}(" in path.read_text()
    }
    assert functions == {path.stem for path in (ROOT / "workflow/report").glob("*.rst")} - {"workflow"}
    assert functions == set(re.findall(r'^        "(\w+)": \[', rules, flags=re.M))
