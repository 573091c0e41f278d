"""What every workflow script needs around its one library call."""

import gc
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
    """Send what a job prints, and why it failed, to its log; bad input is one line there. The process ends with the job."""
    gc.callbacks.append(_pass_over_imports(len(sys.modules)))
    keep_freed_memory()
    failed = True
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    with open(log, "w", buffering=1) as file, redirect_stdout(file), redirect_stderr(file):
        try:
            yield
            failed = False
        except InputError as error:
            print(f"error: {error}")
        except Stopped as stopped:
            print(f"stopped: {stopped}")
        except Exception:
            traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    # taking torch's objects apart takes a second; files are closed, and the system takes the rest
    os._exit(failed)


def keep_freed_memory():
    """Let the process keep up to 64 MiB of freed memory; else a network's layers wait for new pages again and again.

    The C library of Linux (glibc) keeps twice the largest block, of up to 32 MiB, that was freed so far; this one is never
    written to and takes no memory.
    """
    bytes(2**25 - 2**16)


def _pass_over_imports(modules):
    """A callback of the garbage collector that lets it pass over all objects there are when new modules were imported.

    While torch is imported, the collector would go through its hundreds of thousands of objects again and again.

    Args:
        modules: number of modules that were imported before.
    """

    def callback(phase, info):
        nonlocal modules
        if phase == "start" and len(sys.modules) != modules:
            modules = len(sys.modules)
            gc.freeze()

    return callback
