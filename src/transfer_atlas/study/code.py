"""What code a result depends on: a digest that comments and docstrings do not change."""

import ast
import hashlib
import shutil
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
# Files, schemas, errors and jobs define no number that a result depends on, so an edit of them reruns nothing;
# tests/test_repository.py checks that no other module takes a number from them.
PLUMBING = ("store", "schemas", "jobs", "errors.py")


def digest_of_code(*roots):
    """Digest of Python files and of all modules of this package that they import, directly or not.

    Args:
        roots: paths of scripts, or modules and data files of the package relative to it, such as
            `figures/transfer_rate.py` or `figures/paper.mplstyle`.

    Returns:
        16 hex digits; the same after an edit of comments, docstrings or layout alone.
    """
    digest = hashlib.blake2b(digest_size=8)
    for path in modules_of(*roots):
        digest.update(path.name.encode() + meaning_of(path))
    return digest.hexdigest()


def local_copy(cache, source):
    """Path of a copy of a workflow's source file.

    Args:
        cache: Snakemake's SourceCache.
        source: Snakemake's SourceFile.
    """
    path = Path(cache.get_path(source))
    # the cache calls a file from Git <name>@<ref>; a folder of its own, for two modules may have files of one name
    named = path.with_name(f"{path.name}.named") / source.get_filename()
    if not named.exists():
        named.parent.mkdir(exist_ok=True)
        shutil.copy(path, named)
    return named


def modules_of(*roots):
    """The files that `digest_of_code` reads: `roots` and what they import, without the plumbing, in a fixed order."""
    found, open_ = set(), [PACKAGE / root for root in roots]
    while open_:
        path = open_.pop()
        if path not in found and not is_plumbing(path):
            found.add(path)
            open_ += imports_of(path)
    # the package before the scripts, wherever either of them is
    return sorted(found, key=lambda path: (not path.is_relative_to(PACKAGE), path))


def is_plumbing(path):
    """Whether a file belongs to the folders and modules of PLUMBING."""
    return path.is_relative_to(PACKAGE) and path.relative_to(PACKAGE).parts[0] in PLUMBING


@cache
def imports_of(path):
    """Modules of this package that a Python file imports, wherever in it."""
    if path.suffix != ".py":
        return []
    parts = [name.split(".")[1:] for name in imported_names(path) if name.startswith(f"{PACKAGE.name}.")]
    return [file for file in (PACKAGE.joinpath(*part).with_suffix(".py") for part in parts if part) if file.is_file()]


def imported_names(path, module=""):
    """Dotted names that a Python file imports, wherever in it: modules, or what may be a module or a name in one.

    Args:
        path: the file.
        module: its own dotted name, to which relative imports refer.
    """
    package, names = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1], []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return [name.strip(".") for name in names if name]


@cache
def meaning_of(path):
    """The syntax tree without docstrings and positions; the bytes of a file that is not Python."""
    if path.suffix != ".py":
        return path.read_bytes()
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree).encode()
