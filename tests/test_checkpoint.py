"""A transfer that is stopped or killed goes on to the same bits."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from itertools import count

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT

from transfer_atlas.errors import Stopped
from transfer_atlas.images.views import Views
from transfer_atlas.store.checkpoint import Checkpoint, checkpoint_of, stop_on_signals
from transfer_atlas.store.tables import read_table
from transfer_atlas.transfer.block import run_block
from transfer_atlas.transfer.lessons import Imitation
from transfer_atlas.transfer.loop import train_epochs
from transfer_atlas.transfer.spec import TransferSpec
from transfer_atlas.zoo.build import build_model

GENERATOR = np.random.default_rng(0)
PIXELS = GENERATOR.integers(0, 256, (50, 32, 32, 3), dtype=np.uint8)
VIEWS = Views(PIXELS, [f"i/{n}" for n in range(50)], 2, [{"name": "RandomHorizontalFlip"}], 0)
LABELS = GENERATOR.integers(0, 10, 50)
TEACHER = GENERATOR.normal(size=(2, 50, 10)).astype(np.float16)
SPEC = TransferSpec("kl", "s.t", "t.t", 0, 4, 16, 0.05, 0.9, 0.0, "frozen", target="teacher")
# dropout and stochastic depth draw random numbers in every step
ROW = {
    "model": "s.t",
    "architecture": "test_vit",
    "kwargs": {"proj_drop_rate": 0.2, "drop_path_rate": 0.3},
    "weights": "random",
    "inference_batch_size": 50,
}
STEPS = 4 * 4


def fresh_student():
    return build_model(ROW, 10, 32, seed=1)


def train(checkpoint, spec=SPEC):
    """Weights and history of a transfer that goes on from a checkpoint."""
    torch.set_num_threads(1)  # numba's kernels in other tests set the threads of OpenMP, which torch shares
    model = fresh_student()
    history = train_epochs(spec, Imitation(spec, model, VIEWS, LABELS, TEACHER, TEACHER), LABELS, "cpu", checkpoint)
    return model.state_dict(), history


def stop_after(steps):
    calls = count(1)
    return lambda: next(calls) >= steps


def open_checkpoint(path, **options):
    return Checkpoint(path, {"spec": asdict(SPEC)}, 10, **options)


def assert_equal(run, other):
    assert run[1] == other[1]
    assert all(torch.equal(run[0][name], other[0][name]) for name in other[0])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return train(open_checkpoint(tmp_path_factory.mktemp("undisturbed") / "0.pt"))


# the first step, inside an epoch, its last step, the first of the next, the last of all
@pytest.mark.parametrize("steps", [1, 2, 4, 6, STEPS - 1])
def test_a_stopped_transfer_goes_on_to_the_same_bits(tmp_path, undisturbed, steps):
    with pytest.raises(Stopped, match="call again to go on"):
        train(open_checkpoint(tmp_path / "0.pt", stop=stop_after(steps)))
    torch.manual_seed(7)  # what the next process happens to start with
    assert_equal(train(open_checkpoint(tmp_path / "0.pt")), undisturbed)


def test_a_transfer_stopped_after_each_step_still_ends(tmp_path, undisturbed):
    for _ in range(STEPS + SPEC.epochs + 1):
        try:
            run = train(open_checkpoint(tmp_path / "0.pt", stop=lambda: True))
        except Stopped:
            continue
        break
    assert_equal(run, undisturbed)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signalled_process_goes_on_to_the_same_bits(tmp_path, undisturbed, number):
    """A real process gets a real signal at an arbitrary point; SIGKILL leaves it no time to save."""
    program = (
        "import sys, time, test_checkpoint as t; from pathlib import Path\n"
        "from transfer_atlas.store.checkpoint import stop_on_signals\n"
        "asked = stop_on_signals()\n"
        "slow = lambda: (time.sleep(0.2), asked())[1]\n"
        "t.train(t.open_checkpoint(Path(sys.argv[1]), stop=slow))\n"
    )
    path = tmp_path / "0.pt"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests'}"}
    command = [sys.executable, "-c", program, str(path)]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    while not path.exists() and process.poll() is None:  # the end of the first epoch
        time.sleep(0.01)
    process.send_signal(number)
    assert "Stopped" in process.communicate()[1] or number == signal.SIGKILL
    assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 1)
    resumed = open_checkpoint(path)
    assert (resumed.state["epoch"], resumed.state["step"]) >= (1, 0)
    assert_equal(train(resumed), undisturbed)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_each_signal_asks_for_a_stop(number):
    handlers = {other: signal.getsignal(other) for other in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)}
    asked = stop_on_signals()
    assert not asked()
    signal.raise_signal(number)
    assert asked()
    for other, handler in handlers.items():
        signal.signal(other, handler)


@pytest.mark.parametrize(("minutes", "steps"), [(1e-9, 3), (10, 0)])
def test_minutes_between_checkpoints(tmp_path, minutes, steps):
    """Within an epoch the clock decides; the end of an epoch always saves."""

    class Broken(Exception):
        pass

    def fail():
        if next(calls) == 4:
            raise Broken
        return False

    calls = count(1)
    with pytest.raises(Broken):
        train(Checkpoint(tmp_path / "0.pt", {}, minutes, fail))
    assert (tmp_path / "0.pt").exists() == (steps > 0)
    if steps:
        assert Checkpoint(tmp_path / "0.pt", {}, 10).state["step"] == steps


def test_another_recipe_starts_from_the_beginning(tmp_path, undisturbed, capsys):
    with pytest.raises(Stopped):
        train(open_checkpoint(tmp_path / "0.pt", stop=stop_after(6)))
    other = replace(SPEC, lr=0.01)
    run = train(Checkpoint(tmp_path / "0.pt", {"spec": asdict(other)}, 10), other)
    assert "0.pt: ignored, made with another spec" in capsys.readouterr().out
    assert_equal(run, train(Checkpoint(tmp_path / "new.pt", {}, 10), other))
    assert run[1] != undisturbed[1]


def test_a_damaged_checkpoint_starts_from_the_beginning(tmp_path, undisturbed, capsys):
    with pytest.raises(Stopped):
        train(open_checkpoint(tmp_path / "0.pt", stop=stop_after(6)))
    whole = (tmp_path / "0.pt").read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"not a checkpoint"):
        (tmp_path / "0.pt").write_bytes(damaged)
        run = train(open_checkpoint(tmp_path / "0.pt"))
        assert "0.pt: ignored, does not load" in capsys.readouterr().out
    assert_equal(run, undisturbed)


def test_a_finished_transfer_of_a_killed_job_is_not_trained_again(tmp_path, student_files, monkeypatch, capsys):
    """Snakemake deletes what a failed job had written; the rows are kept until the job has ended."""
    student = student_files(ROW, fresh_student, PIXELS, LABELS)
    specs = [replace(SPEC, teacher=None, target="student", seed=seed) for seed in (0, 1)]
    paths = [tmp_path / f"results/transfers/self/s.t/none/{seed}.parquet" for seed in (0, 1)]
    calls = count(1)
    stop = lambda: next(calls) > STEPS + SPEC.epochs + 2  # noqa: E731
    monkeypatch.setattr("transfer_atlas.transfer.block.stop_on_signals", lambda: stop)
    with pytest.raises(Stopped):
        run_block(specs, paths, student, {}, 10, "code")
    first = read_table(paths[0])
    paths[0].unlink()
    monkeypatch.undo()
    capsys.readouterr()
    run_block(specs, paths, student, {}, 10, "code")
    printed = capsys.readouterr().out
    assert "seed 0: " not in printed
    assert "goes on after 0 epochs" in printed
    pd.testing.assert_frame_equal(read_table(paths[0]), first)
    assert not list(tmp_path.rglob("*.pt"))


def test_slow_weights_go_on_to_the_same_bits(tmp_path):
    spec = replace(SPEC, slow_weights={"tau": 0.9, "every_images": 24}, schedule="cosine", warmup_epochs=1)

    def open_(name, **options):
        return Checkpoint(tmp_path / name, {"spec": asdict(spec)}, 10, **options)

    whole = train(open_("whole.pt"), spec)
    for steps in (5, 3):
        with pytest.raises(Stopped):
            train(open_("0.pt", stop=stop_after(steps)), spec)
    assert_equal(train(open_("0.pt"), spec), whole)


def test_checkpoints_lie_outside_the_results_that_snakemake_deletes():
    assert (
        str(checkpoint_of("r/s/transfers/kl/a.b/none/0.parquet", "r/s")) == "r/s/checkpoints/transfers/kl/a.b/none/0.pt"
    )


def test_a_job_that_is_stopped_while_it_evaluates_keeps_its_training(tmp_path, student_files, monkeypatch, capsys):
    student = student_files(ROW, fresh_student, PIXELS, LABELS)
    spec, calls = replace(SPEC, teacher=None, target="student"), count(1)
    whole, path = (tmp_path / f"results/transfers/{name}/s.t/none/0.parquet" for name in ("whole", "self"))
    run_block([spec], [whole], student, {}, 10, "code")
    monkeypatch.setattr("transfer_atlas.transfer.block.stop_on_signals", lambda: lambda: next(calls) > STEPS + 4)
    with pytest.raises(Stopped, match="asked to stop in an evaluation"):
        run_block([spec], [path], student, {}, 10, "code")
    assert not path.exists()
    monkeypatch.undo()
    capsys.readouterr()
    run_block([spec], [path], student, {}, 10, "code")
    assert "goes on after 4 epochs and 0 steps" in capsys.readouterr().out
    pd.testing.assert_frame_equal(read_table(path), read_table(whole))


def test_stages_go_with_their_row_and_no_other_models_checkpoint(tmp_path):
    """Models may be called a.b and a.b_c: the first's end must leave the second's checkpoint alone."""
    row, other = (Checkpoint(tmp_path / f"{name}.pt", {"of": name}, 10) for name in ("a.b", "a.b_c"))
    other.finish({"x": 1})
    stages = [row.stage(name) for name in (0, 1)]
    for stage in stages:
        stage.finish({"x": 2})
    assert Checkpoint(tmp_path / "a.b.pt", {"of": "a.b"}, 10).stage(1).row == {"x": 2}
    row.finish({"x": 3})
    assert not any(stage.path.exists() for stage in stages)
    row.remove()
    assert [path.name for path in tmp_path.rglob("*")] == ["a.b_c.pt"]
