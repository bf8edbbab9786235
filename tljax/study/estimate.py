"""Estimates the time and disk space of a grid: from finished runs, or else from the operations of the networks."""

import math
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp

from tljax import datasets, models
from tljax.core import runs
from tljax.core.config import StudyConfig, TrainConfig
from tljax.datasets.folds import load_data
from tljax.study.architectures import architecture
from tljax.study.checks import data_settings
from tljax.study.planned import PlannedRun

TRAINING = 3  # cost of a training step, in forward passes
TRAIN_SHARE = 0.8  # share of the images that are training images in a fold
START = 20.0  # seconds of a run before the first epoch and after the last one: images, compilation, weights
CORE = 20e9  # order of magnitude of the operations per second of a CPU core in training
ACCELERATOR = 20e12  # the same for one GPU or TPU in bfloat16
STATES = 8  # copies of the weights on disk during a run: weights, both moments of Adam and the best epoch, saved twice


@dataclass(frozen=True)
class Estimate:
    """The cost of all runs together, without comparisons."""

    seconds: float
    bytes: float
    device: str
    basis: str


def estimate(config: StudyConfig, planned: Sequence[PlannedRun], copies: Collection[PlannedRun] = ()) -> Estimate:
    """Estimates the cost of runs if no run stops early.

    copies: those runs that are copied from others instead of trained.
    """
    measured, images = cache(_measured), cache(_images)
    rates = {run.folder: measured(run.folder.parent) for run in planned}
    device, rate = _device()
    copied = {run.folder for run in copies}
    seconds = sum(
        START
        + images(data_settings(run.config)) * _epochs(run) / (rates[run.folder] or rate / (TRAINING * _operations(run)))
        for run in planned
        if run.folder not in copied
    )
    kept = [_bytes(run) for run in planned]
    total = (sum(kept) if config.keep == "best" else 0) + STATES * max(kept)
    known = sum(found is not None for found in rates.values())
    basis = f"by the speed of finished runs for {known} of {len(planned)} runs" if known else "by arithmetic alone"
    return Estimate(seconds, total, device, basis)


def _epochs(run: PlannedRun) -> int:
    """Returns the largest number of epochs of a run."""
    return run.config.epochs + (run.config.head_epochs if run.config.freeze else 0)


def _images(config: TrainConfig) -> float:
    """Returns the number of training images of a fold."""
    return (datasets.card(config.dataset).images or len(load_data(config).files)) * TRAIN_SHARE


def _measured(network: Path) -> float | None:
    """Returns the images per second of a finished fold in the folder of a network; None if there is none."""
    for folder in network.glob("fold*"):
        if (folder / runs.RESULT).exists():
            run = runs.read_run(folder)
            if run.status == "finished" and run.metrics:
                return sum(row["images_per_second"] for row in run.metrics) / len(run.metrics)
    return None


def _device() -> tuple[str, float]:
    if jax.default_backend() == "cpu":
        cores = os.cpu_count() or 1
        return f"{cores} CPU cores", cores * CORE
    count = jax.local_device_count()
    return f"{count} x {jax.devices()[0].device_kind}", count * ACCELERATOR


def _bytes(run: PlannedRun) -> int:
    return 4 * sum(math.prod(shape) for shape in _shapes(*architecture(run)).values())


@cache
def _shapes(backbone: str, variant: str) -> dict[str, tuple[int, ...]]:
    return models.shapes(backbone, variant, 2)


def _operations(run: PlannedRun) -> float:
    size = run.config.image_size or datasets.card(run.config.dataset).image_size
    return _forward_operations(*architecture(run), size)


@cache
def _forward_operations(backbone: str, variant: str, size: int) -> float:
    """Returns the floating point operations of one image's forward pass."""
    model = models.build(backbone, variant, 2)
    model.eval()
    images = jax.ShapeDtypeStruct((1, size, size, model.input_channels), jnp.float32)
    lowered = jax.jit(lambda x: model(x).logits).lower(images)
    return float((lowered.cost_analysis() or {})["flops"])
