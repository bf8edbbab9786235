"""How long a grid will take and how much disk: from runs that are finished, else from the networks' arithmetic."""

import math
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp

from tljax import datasets, models, weights
from tljax.core import runs
from tljax.core.config import StudyConfig, TrainConfig
from tljax.datasets.folds import load_data
from tljax.study.cell import Cell
from tljax.weights import networks

TRAINING = 3  # forward passes that a training step costs
TRAIN_SHARE = 0.8  # of the images, in a fold
START = 20.0  # seconds that a run takes before its first epoch and after its last: images, compilation, weights
CORE = 20e9  # operations a second that a CPU core sustains in training, by order of magnitude
ACCELERATOR = 20e12  # the same of one GPU or TPU in bfloat16
STATES = 8  # copies of the weights on disk while a run goes on: with both moments of Adam and the best, twice


@dataclass(frozen=True)
class Estimate:
    """Of all runs together, without comparisons."""

    seconds: float
    bytes: float
    device: str
    basis: str


def estimate(config: StudyConfig, cells: Sequence[Cell], copies: Collection[Cell] = ()) -> Estimate:
    """For runs that take all their epochs, but for those of them that are copied from others."""
    rates = {cell: _measured(cell) for cell in cells}
    device, rate = _device()
    seconds = sum(
        START + _images(cell.config) / (rates[cell] or rate / (TRAINING * _operations(cell)))
        for cell in cells
        if cell not in copies
    )
    kept = [_bytes(cell) for cell in cells]
    total = (sum(kept) if config.keep == "best" else 0) + STATES * max(kept)
    known = sum(found is not None for found in rates.values())
    basis = f"by the speed of finished runs for {known} of {len(cells)} runs" if known else "by arithmetic alone"
    return Estimate(seconds, total, device, basis)


def _images(config: TrainConfig) -> float:
    """Training images that a run sees, at most."""
    epochs = config.epochs + (config.head_epochs if config.freeze else 0)
    return (datasets.card(config.dataset).images or len(load_data(config).files)) * TRAIN_SHARE * epochs


def _measured(cell: Cell) -> float | None:
    """Images a second of a finished fold of the same network."""
    for folder in cell.folder.parent.glob("fold*"):
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


def _network(cell: Cell) -> tuple[str, str]:
    """Backbone and variant."""
    config = cell.config
    if cell.source or networks.is_random(config.init):
        return config.backbone, config.variant or models.default_variant(config.backbone)
    card = weights.read_card(networks.locate(config.init, config.weights_dir))
    return card.backbone, card.variant


def _bytes(cell: Cell) -> int:
    return 4 * sum(math.prod(shape) for shape in _shapes(*_network(cell)).values())


@cache
def _shapes(backbone: str, variant: str) -> dict[str, tuple[int, ...]]:
    return models.shapes(backbone, variant, 2)


def _operations(cell: Cell) -> float:
    size = cell.config.image_size or datasets.card(cell.config.dataset).image_size
    return _forward_operations(*_network(cell), size)


@cache
def _forward_operations(backbone: str, variant: str, size: int) -> float:
    """Floating point operations of one image's way through the network."""
    model = models.build(backbone, variant, 2)
    model.eval()
    images = jax.ShapeDtypeStruct((1, size, size, model.input_channels), jnp.float32)
    lowered = jax.jit(lambda x: model(x).logits).lower(images)
    return lowered.cost_analysis()["flops"]
