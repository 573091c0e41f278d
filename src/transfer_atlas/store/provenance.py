"""What made a result: versions, commit, device, time and memory, and the slice of the config it depends on."""

import resource
import subprocess
import sys
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


class Provenance:
    """Clock and memory of one job, with the versions that made its result."""

    def __init__(self, **recipe):
        """Start the clock; `recipe` is the slice of the config that the result depends on."""
        self.recipe = recipe
        self.started = time.monotonic()

    def record(self, device="cpu"):
        """Return what is written with a table: versions, commit, device, seconds, peak memory and recipe."""
        return {
            "recipe": self.recipe,
            "versions": versions_of("transfer-atlas", "torch", "timm", "pyarrow") | {"python": sys.version.split()[0]},
            "commit": _commit(),
            "device": str(device),
            "seconds": round(time.monotonic() - self.started, 3),
            "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }


def versions_of(*distributions):
    """Versions of what is installed; a study of predictions from elsewhere needs no torch."""
    versions = {}
    for name in distributions:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


def _commit():
    """Commit of the checkout that runs; None where there is no checkout or no git."""
    command = ["git", "-C", Path(__file__).parent, "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        described = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return described.stdout.strip() or None
