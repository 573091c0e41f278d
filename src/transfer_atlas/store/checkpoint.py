"""The state of a training or an inference on disk, so that a killed job resumes and ends with the same bits."""

import json
import pickle
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from transfer_atlas.errors import InputError, Stopped, one_line
from transfer_atlas.store.checksums import check_zip
from transfer_atlas.store.files import atomic


def describe_files(paths):
    """Path, bytes and modification time of files, to tell whether a checkpoint was made from the same ones."""
    return [[str(path), Path(path).stat().st_size, Path(path).stat().st_mtime_ns] for path in paths]


def stop_on_signals():
    """Let SIGTERM, SIGUSR1 and SIGINT ask for a stop instead of ending the process.

    Returns:
        Function of no arguments: whether one of them has come.
    """
    received = []
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
        signal.signal(number, lambda number, frame: received.append(number))
    return lambda: bool(received)


def checkpoint_of(result, results):
    """Path of the checkpoint that belongs to a result below the folder `results` of a study.

    It lies outside the declared outputs, because Snakemake deletes those of a job that failed.
    """
    return (Path(results) / "checkpoints" / Path(result).relative_to(results)).with_suffix(".pt")


class Checkpoint:
    """The file that a training resumes from: its state, or the table row that it ended with.

    A finished row stays until the whole job has written its results, so that a job of several trainings that is
    killed does not repeat them. A row of several trainings has a stage for each.
    """

    def __init__(self, path, identity, minutes, stop: Callable[[], bool] = lambda: False):
        """Read what is at `path`, if it was made from the same things.

        Args:
            path: file of the checkpoint.
            identity: dict of plain values: all that the training depends on.
            minutes: time between two checkpoints inside an epoch.
            stop: whether the job was asked to stop.
        """
        self.path, self.minutes, self.stop = Path(path), minutes, stop
        # plain types only, whatever the caller's are, or the file would not load again
        self.identity = json.loads(json.dumps(identity))
        self.written = self.opened = time.monotonic()
        saved = self._read()
        self.state, self.row, self.earlier = saved.get("state"), saved.get("row"), saved.get("seconds", 0.0)

    def _read(self):
        try:
            check_zip(self.path)  # torch.load does not
            saved = torch.load(self.path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            return {}
        except (InputError, OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            print(f"{self.path}: ignored, does not load ({one_line(error, 80)})")
            return {}
        other = [name for name in self.identity if saved["identity"].get(name) != self.identity[name]]
        if other:
            print(f"{self.path}: ignored, made with another {', '.join(other)}")
            return {}
        return saved

    @property
    def seconds(self):
        """Time that the training has taken, that of earlier processes included."""
        return self.earlier + time.monotonic() - self.opened

    def stage(self, name):
        """The checkpoint of one stage of a row that several trainings make one after another."""
        stage = Checkpoint(self._stages / f"{name}.pt", self.identity | {"stage": name}, self.minutes, self.stop)
        self.earlier += stage.earlier
        return stage

    def resume(self, progress):
        """Bring `progress` to where the checkpoint stands.

        Args:
            progress: has `state_dict` and `load_state_dict` of tensors and plain values; `step`, 0 after each whole
                epoch or view; and `done`, how far it came, in words.
        """
        if self.state is not None:
            progress.load_state_dict(self.state)
            print(f"goes on after {progress.done} ({self.path})")

    def step(self, progress):
        """Call after each step and each epoch: saves if the time has come.

        Raises:
            Stopped: the job was asked to stop; what it did is saved.
        """
        stop, epoch_ended = self.stop(), progress.step == 0
        if stop or epoch_ended or time.monotonic() - self.written >= 60 * self.minutes:
            self._write(state=progress.state_dict())
        if stop:
            raise Stopped(f"asked to stop after {progress.done}; call again to go on")

    def finish(self, row):
        """Replace the training state by the finished row."""
        self.row = {name: value.item() if isinstance(value, np.generic) else value for name, value in row.items()}
        self._write(row=self.row)
        shutil.rmtree(self._stages, ignore_errors=True)

    def _write(self, **content):
        # a file and not its path, or nothing would say that the disk is full
        with atomic(self.path) as partial, open(partial, "wb") as file:
            torch.save({"identity": self.identity, "seconds": self.seconds, **content}, file)
        self.written = time.monotonic()

    def remove(self):
        """Delete the file, and the array that was begun beside it; the result is written."""
        self.path.unlink(missing_ok=True)
        self.path.with_suffix(".npy").unlink(missing_ok=True)
        shutil.rmtree(self._stages, ignore_errors=True)

    @property
    def _stages(self):
        """Folder of the checkpoints of stages; a suffix that no name of a model has keeps it apart from other models'."""
        return self.path.with_suffix(".stages")


class NoCheckpoint(Checkpoint):
    """Keeps nothing: a training in a notebook."""

    path = state = row = None

    def __init__(self):
        """Nothing to read."""

    def stop(self):
        """Nobody asks it to stop."""
        return False

    def resume(self, progress):
        """Start from the beginning."""

    def step(self, progress):
        """Go on."""

    def finish(self, row):
        """Remove the checkpoint's file."""

    def remove(self):
        """Nothing to delete."""
