"""What every workflow script needs around its one library call."""

import os
import sys
import traceback
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from transfer_atlas.errors import InputError, Stopped

# jobs draw into files; set here and not by the figures, which would take a notebook's own backend away
os.environ.setdefault("MPLBACKEND", "Agg")


@contextmanager
def logged(log):
    """Send what a job prints, and why it failed, to its log; bad input is one line there."""
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    with open(log, "w", buffering=1) as file, redirect_stdout(file), redirect_stderr(file):
        try:
            yield
        except InputError as error:
            print(f"error: {error}")
            sys.exit(1)
        except Stopped as stopped:
            print(f"stopped: {stopped}")
            sys.exit(1)
        except Exception:
            traceback.print_exc()
            sys.exit(1)
