"""Kills a training at random moments, runs the same command again, and compares the end with an uninterrupted run.

    python -m benchmarks.crash [--kills 200] [--seed 0]

The trainings have two phases on `phantom` at 32 px. Each is killed with SIGKILL at moments that are drawn evenly over
the length of a whole run, which includes its start and the writing of checkpoints. When a run has finished, the next
one begins. Every attempt must start, and every run must end in the weights, predictions and epochs of the uninterrupted
one, bit for bit.
"""

import dataclasses
import json
import multiprocessing
import random
import signal
import tempfile
import time
from pathlib import Path

import numpy as np
import tyro

from tljax import weights
from tljax.core import runs
from tljax.core.config import TrainConfig
from tljax.core.errors import run_command
from tljax.models import resnet
from tljax.train.loop import train

resnet.ARCHITECTURES["resnet_micro"] = resnet.Architecture((1,), 8)  # compiles within seconds

SETTINGS = TrainConfig(
    backbone="resnet_micro",
    image_size=32,
    batch_size=128,
    freeze=True,
    head_epochs=6,
    epochs=10,
    patience=6,
    learning_rate=1e-3,
    warmup_epochs=3,
    weight_decay=0.05,
    save_seconds=0.0,
    quiet=True,
)


@dataclasses.dataclass
class Tally:
    """What was done to the runs."""

    runs: int = 0  # finished, and found equal
    kills: int = 0
    in_save: int = 0  # kills that left an incomplete checkpoint
    in_training: int = 0  # kills of an attempt that had written an epoch

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {self.in_training} of them while training and {self.in_save} while a checkpoint was "
            f"being written, over {self.runs} runs"
        )


def start(config: TrainConfig) -> multiprocessing.Process:
    """Starts the command in a process that is forked from one with all imports done but no device in use."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tljax.train.loop", "orbax.checkpoint", "sklearn.metrics"])
    process = context.Process(target=_command, args=(config,))
    process.start()
    return process


def _command(config: TrainConfig) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell ignore it
    run_command(lambda: train(config))


def folder_of(config: TrainConfig) -> Path:
    return runs.run_folder(config.workdir, config.dataset, config.init, config.freeze, config.fold)


def complete(config: TrainConfig) -> float:
    """Trains without interruption, and returns the seconds."""
    began = time.perf_counter()
    process = start(config)
    process.join()
    assert process.exitcode == 0, f"training failed with exit code {process.exitcode}"
    return time.perf_counter() - began


def assert_same(run: Path, reference: Path) -> None:
    """Checks that the weights, predictions and epochs of two runs are equal bit for bit."""
    ours, theirs = (weights.load(folder / runs.CHECKPOINT)[0] for folder in (run, reference))
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
    assert (run / runs.PREDICTIONS).read_bytes() == (reference / runs.PREDICTIONS).read_bytes()
    assert _epochs(run) == _epochs(reference)


def _epochs(run: Path) -> list[dict]:
    measured = ("seconds", "images_per_second", "device_memory_bytes")
    rows = [json.loads(line) for line in (run / runs.METRICS).read_text().splitlines()]
    return [{key: value for key, value in row.items() if key not in measured} for row in rows]


def kill_and_resume(config: TrainConfig, reference: Path, seconds: float, kills: int, seed: int) -> Tally:
    """Kills runs under `config.workdir` until `kills` is reached and the last of them has finished.

    seconds: the longest time of an attempt. Raises AssertionError if an attempt fails, or if a run ends differently.
    """
    moments, tally = random.Random(seed), Tally()
    while tally.kills < kills:
        current = dataclasses.replace(config, workdir=config.workdir / str(tally.runs))
        folder = folder_of(current)
        while not (folder / runs.RESULT).exists():
            before = epochs_written(folder)
            process = start(current)
            process.join(moments.uniform(0, seconds) if tally.kills < kills else None)
            process.kill()
            process.join()
            assert process.exitcode in (0, -9), f"an attempt failed with exit code {process.exitcode}; see {folder}"
            if process.exitcode:
                tally.kills += 1
                tally.in_save += any(folder.glob(f"{runs.RESUME}/*tmp*"))
                tally.in_training += epochs_written(folder) != before
        if process.exitcode:  # killed after the result was written: the next attempt has nothing left to do
            complete(current)
        assert_same(folder, reference)
        tally.runs += 1
        print(tally, flush=True)
    return tally


def epochs_written(folder: Path) -> int:
    path = folder / runs.METRICS
    return len(path.read_text().splitlines()) if path.exists() else 0


def main(kills: int = 200, seed: int = 0) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        config = dataclasses.replace(SETTINGS, workdir=Path(scratch) / "reference")
        complete(config)  # compiles
        reference = folder_of(config)
        seconds = complete(dataclasses.replace(SETTINGS, workdir=Path(scratch) / "timed"))
        assert_same(folder_of(dataclasses.replace(SETTINGS, workdir=Path(scratch) / "timed")), reference)
        print(f"an uninterrupted run takes {seconds:.1f} s", flush=True)
        killed = dataclasses.replace(SETTINGS, workdir=Path(scratch) / "killed")
        tally = kill_and_resume(killed, reference, seconds, kills, seed)
        print(f"{tally}: no attempt failed, and every run equals the uninterrupted one bit for bit")


if __name__ == "__main__":
    tyro.cli(main)
