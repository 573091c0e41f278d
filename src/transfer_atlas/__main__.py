"""What there is to call: python -m transfer_atlas. Commands of the package run from here; those of the workflow are shown."""

import runpy
import sys

MODULES = {
    "doctor": ("transfer_atlas.tools.doctor", "what will not work on this machine or cluster"),
    "verify": (
        "transfer_atlas.tools.verify",
        "read all files of a study against their checksums: verify results/<study>",
    ),
    "sheet": ("transfer_atlas.zoo.sheet", "write the zoo sheet of models of timm: sheet --help"),
}
WORKFLOW = {
    "demo": ("make demo", "figures and a recommendation from tables that are in the repository"),
    "study": (
        "snakemake --cores 2 --configfile my_study.yaml",
        "a study: logits, pairs, transfers, tables and figures",
    ),
    "estimate": ("snakemake --cores 1 results/<study>/estimate.txt", "what a study will take, before it runs"),
    "recommend": ("snakemake --cores 2 results/<study>/recommend/<model>.txt", "which teacher for this model"),
    "improve": (
        "snakemake --cores 2 results/<study>/students/<model>",
        "a better student, as a folder that timm loads",
    ),
    "atlas": ("snakemake --cores 2 results/<study>/atlas.html", "one HTML file that compares all models, offline"),
    "compare": ("transfer_atlas.compare(predictions, labels)", "all pairs from arrays of predictions, in Python"),
}


def describe():
    """The commands as text, a line each."""
    lines = ["python -m transfer_atlas <command> [arguments]", ""]
    lines += [f"  {name:10}{text}" for name, (_, text) in MODULES.items()]
    lines += ["", "in a clone of the repository; targets stand before --configfile my_study.yaml", ""]
    lines += [f"  {name:10}{text}\n  {'':10}{command}" for name, (command, text) in WORKFLOW.items()]
    return "\n".join(lines)


def main(arguments):
    """Run a command of the package; exits with 1 for one that does not exist."""
    command = arguments[0] if arguments else "--help"
    if command in MODULES:
        sys.argv = [f"python -m transfer_atlas {command}", *arguments[1:]]
        runpy.run_module(MODULES[command][0], run_name="__main__", alter_sys=False)
    elif command in WORKFLOW:
        call, text = WORKFLOW[command]
        print(f"{text}:\n    {call}")
    elif command in ("--help", "-h", "help"):
        print(describe())
    elif command == "--version":
        from transfer_atlas import __version__

        print(__version__)
    else:
        from transfer_atlas.errors import did_you_mean

        sys.exit(
            f"error: no command '{command}'{did_you_mean(command, [*MODULES, *WORKFLOW])}; python -m transfer_atlas lists them"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
