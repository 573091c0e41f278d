"""python -m transfer_atlas: the list of commands, and the commands of the package."""

import subprocess
import sys

import pytest

from transfer_atlas import __version__
from transfer_atlas.__main__ import MODULES, WORKFLOW


def call(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "transfer_atlas", *arguments], capture_output=True, text=True, check=False
    )


def test_every_command_has_a_line():
    done = call()
    assert done.returncode == 0
    listed = {
        line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ") and not line.startswith("   ")
    }
    assert listed == {*MODULES, *WORKFLOW}


def test_commands_of_the_workflow_are_shown_and_others_refused():
    assert "results/<study>/estimate.txt" in call("estimate").stdout
    assert call("--version").stdout.strip() == __version__
    done = call("veryfy")
    assert done.returncode == 1
    assert "no command 'veryfy'; did you mean verify?" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", MODULES)
def test_commands_of_the_package_run(command, tmp_path):
    arguments = {"verify": [str(tmp_path)], "sheet": ["--help"], "doctor": []}[command]
    done = call(command, *arguments)
    assert "Traceback" not in done.stderr
    assert done.stdout + done.stderr
