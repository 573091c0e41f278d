"""The targets of a call, checked at its start: Snakemake itself only says that no rule makes them."""

import re
from pathlib import Path

from transfer_atlas.errors import InputError, did_you_mean

FLAGS = ("-n", "--dry-run", "-p", "-k", "--keep-going", "-F", "--forceall")  # options without a value
OPTIONS_WITH_FILES = ("--configfile", "--configfiles")
MOST_REASONS = 5


def check_targets(arguments, study, known):
    """Refuse targets that no rule can make because a name in them is wrong, and config files that stand as targets.

    Args:
        arguments: command line of Snakemake.
        study: name of the study.
        known: dict of `figures`, `tables`, `methods` and `models` to their names; of an empty one nothing is checked.

    Raises:
        InputError: names the target, the part that is wrong and the nearest names.
    """
    for target in _targets(arguments):
        if target.endswith((".yaml", ".yml")) and "results/" not in target and Path(target).is_file():
            raise InputError(f"{target}: stands as a target; give it with --configfile {target}")
        if found := re.fullmatch(r"(?:\./)?results/([^/]+)/(.+)", target):
            if found[1] != study:
                raise InputError(
                    f"{target}: is of the study '{found[1]}', but this call reads the study '{study}'; give the config of "
                    f"'{found[1]}' with --configfile"
                )
            _check_names(target, found[2], known)


def print_texts(requested, study):
    """Print what a run ends with on the terminal: the requested texts, and which models were left out; arguments as below."""
    for path in texts_to_print(requested, study):
        print(f"\n{path}\n{path.read_text()}", flush=True)
    if left_out := excluded_models(f"results/{study}"):
        print(left_out, flush=True)


def texts_to_print(requested, study):
    """The texts among the requested targets.

    Args:
        requested: targets of the call; empty for the default one, whose text is the summary.
        study: name of the study.

    Returns:
        List of paths of text files that exist.
    """
    summary = f"results/{study}/summary.txt"
    texts = [summary if target == "all" else target for target in requested or ["all"]]
    return [path for path in map(Path, texts) if path.suffix == ".txt" and path.is_file()]


def excluded_models(results):
    """How many models of a study were left out (on_error: exclude), and why the first ones; None where none was.

    Args:
        results: folder of the study's results.
    """
    from transfer_atlas.store.tables import read_table  # pandas, half a second that a dry run need not pay

    path = Path(results, "models.parquet")
    if not path.is_file():
        return None
    models = read_table(path, ["model", "excluded", "remark"])
    reasons = [f"  {row.model}: {row.remark}" for row in models[models["excluded"].eq(True)].itertuples()]
    if not reasons:
        return None
    more = [f"  and {len(reasons) - MOST_REASONS} more, see remark in {path}"] * (len(reasons) > MOST_REASONS)
    return "\n".join([f"{len(reasons)} of {len(models)} models were left out:", *reasons[:MOST_REASONS], *more])


def _targets(arguments):
    """Words of a command line that are neither options nor their values, as far as their form shows it."""
    targets, previous, in_files = [], "", False
    for word in arguments[1:]:
        if word.startswith("-"):
            in_files = word in OPTIONS_WITH_FILES
        elif not in_files and (not previous.startswith("-") or previous in FLAGS or "results/" in word):
            targets.append(word)
        previous = word
    return targets


def _check_names(target, path, known):
    """The names in a path below the folder of a study."""
    model = r"([^/]+)"
    patterns = {
        r"figures/([^/.]+)\.(?:pdf|png)": ("figures",),
        r"([^/.]+)\.parquet": ("tables",),
        rf"(?:recommend/)(?!checks\.parquet){model}\.(?:txt|parquet)": ("models",),
        rf"students/{model}": ("models",),
        rf"transfers/{model}/{model}/{model}/\d+\.parquet": ("methods", "models", "teachers"),
        rf"(?:logits/\w+|predictions/evaluation|weights)/{model}\.(?:npy|parquet|safetensors)": ("models",),
    }
    names = known | {"teachers": [*known["models"], "none"] if known["models"] else []}
    for pattern, kinds in patterns.items():
        if found := re.fullmatch(pattern, path):
            for kind, name in zip(kinds, found.groups(), strict=True):
                if names[kind] and name not in names[kind]:
                    what = {"teachers": "teacher"}.get(kind, kind.removesuffix("s"))
                    raise InputError(f"{target}: this study has no {what} '{name}'{did_you_mean(name, names[kind])}")
