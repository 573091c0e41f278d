"""The call of Snakemake and its config files, checked before they are merged."""

from pathlib import Path

import yaml

from transfer_atlas.errors import InputError, one_line


def check_repeated_keys(files):
    """Refuse YAML files in which a key stands twice: YAML readers keep the last one and drop the first without a word.

    Args:
        files: paths of config files; those that are not YAML are left to Snakemake.

    Raises:
        InputError: a key stands twice in one mapping; names the file, the key and both lines.
    """
    for file in files:
        if Path(file).suffix in (".yaml", ".yml"):
            try:
                _check_node(yaml.compose(Path(file).read_text()), file, "")
            except yaml.YAMLError as error:
                raise InputError(f"{file}: is not YAML ({one_line(error, 200)})") from None
            except OSError as error:
                raise InputError(f"{file}: cannot be read ({error.strerror})") from None


def _check_node(node, file, prefix):
    if isinstance(node, yaml.MappingNode):
        lines = {}
        for key, value in node.value:
            name = f"{prefix}{key.value}"
            if name in lines:
                raise InputError(
                    f"{file}: key '{name}' stands twice, in lines {lines[name]} and {key.start_mark.line + 1}; join the two"
                )
            lines[name] = key.start_mark.line + 1
            _check_node(value, file, f"{name}.")
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            _check_node(item, file, f"{prefix}{number}.")


def check_call(config, arguments):
    """Refuse a call whose config files are not those that the user means.

    Args:
        config: the merged config, unchecked, before the embedded study is read where there is none.
        arguments: command line of Snakemake.

    Raises:
        InputError: `--configfile` stands there twice, or a config has no `study`.
    """
    given = [argument for argument in arguments if argument.split("=")[0] in ("--configfile", "--configfiles")]
    if len(given) > 1:
        raise InputError(
            "--configfile is given twice, and Snakemake reads the last one alone; "
            "list the files behind one: --configfile study.yaml variant.yaml"
        )
    if config and "study" not in config:
        raise InputError(
            "config: 'study' is missing, the name of the study and of its results folder; a variant is given together with "
            "the study that it varies: --configfile config/config.yaml my_variant.yaml"
        )
