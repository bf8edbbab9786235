"""Estimates how long a grid takes and how much disk: from finished runs, else from the networks' arithmetic."""

import math
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp

from tljax import datasets, models, weights
from tljax.core import runs
from tljax.core.config import StudyConfig, TrainConfig
from tljax.datasets.folds import load_data
from tljax.study.checks import data_settings
from tljax.study.planned import PlannedRun
from tljax.weights import networks

TRAINING = 3  # forward passes that a training step costs
TRAIN_SHARE = 0.8  # of the images, in a fold
START = 20.0  # seconds that a run takes before its first epoch and after its last: images, compilation, weights
CORE = 20e9  # operations a second that a CPU core sustains in training, by order of magnitude
ACCELERATOR = 20e12  # the same of one GPU or TPU in bfloat16
STATES = 8  # copies of the weights on disk during a run: with both moments of Adam and the best epoch, twice


@dataclass(frozen=True)
class Estimate:
    """Of all runs together, without comparisons."""

    seconds: float
    bytes: float
    device: str
    basis: str


def estimate(config: StudyConfig, planned: Sequence[PlannedRun], copies: Collection[PlannedRun] = ()) -> Estimate:
    """Estimates runs that take all their epochs.

    copies: those of them that are copied from others, not trained.
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
    """Returns the epochs of a run, at most."""
    return run.config.epochs + (run.config.head_epochs if run.config.freeze else 0)


def _images(config: TrainConfig) -> float:
    """Returns the training images of a fold."""
    return (datasets.card(config.dataset).images or len(load_data(config).files)) * TRAIN_SHARE


def _measured(network: Path) -> float | None:
    """Returns images per second of a finished fold in the folder of a network."""
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


def _network(run: PlannedRun) -> tuple[str, str]:
    """Returns backbone and variant."""
    config = run.config
    if run.source or networks.is_random(config.init):
        return config.backbone, config.variant or models.default_variant(config.backbone)
    card = weights.read_card(networks.locate(config.init, config.weights_dir))
    return card.backbone, card.variant


def _bytes(run: PlannedRun) -> int:
    return 4 * sum(math.prod(shape) for shape in _shapes(*_network(run)).values())


@cache
def _shapes(backbone: str, variant: str) -> dict[str, tuple[int, ...]]:
    return models.shapes(backbone, variant, 2)


def _operations(run: PlannedRun) -> float:
    size = run.config.image_size or datasets.card(run.config.dataset).image_size
    return _forward_operations(*_network(run), size)


@cache
def _forward_operations(backbone: str, variant: str, size: int) -> float:
    """Returns the floating point operations of one image's forward pass."""
    model = models.build(backbone, variant, 2)
    model.eval()
    images = jax.ShapeDtypeStruct((1, size, size, model.input_channels), jnp.float32)
    lowered = jax.jit(lambda x: model(x).logits).lower(images)
    return float((lowered.cost_analysis() or {})["flops"])
