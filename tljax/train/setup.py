"""Prepares a run: finds, reads and checks the network, the data and the fold."""

import dataclasses
import hashlib
import json
import platform
import time
from pathlib import Path
from typing import Any

import jax

import tljax
from tljax import datasets
from tljax.core import devices, runs
from tljax.core.config import INCIDENTAL, TrainConfig, to_json
from tljax.datasets.folds import PARTS, Fold, load
from tljax.datasets.leakage import describe_leaks
from tljax.train.settings import check, resolve, tag_of
from tljax.weights import networks


@dataclasses.dataclass(frozen=True)
class Setup:
    """Settings, network, data and fold of one run."""

    config: TrainConfig  # resolved
    network: networks.Network
    data: datasets.Dataset
    fold: Fold

    @property
    def folder(self) -> Path:
        """The run folder."""
        of = self.config
        return runs.run_folder(of.workdir, of.dataset, self.network.label, of.freeze, of.fold, tag_of(of))


def prepare(config: TrainConfig) -> Setup:
    """Finds, reads and checks everything that training needs. Raises UserError."""
    check(config)
    data, fold = load(config, progress=not config.quiet)
    config = resolve(config, data.card)
    network = networks.resolve(
        config.init,
        config.weights_dir,
        num_classes=len(data.card.classes),
        preprocessing=config.preprocessing,
        backbone=config.backbone,
        variant=config.variant,
        dropout=config.dropout or 0.0,
        dtype=devices.compute_dtype(config.precision),
        seed=config.seed,
        download=config.download,
    )
    network.model.trained_by(config.train)  # refuses a scope that the network does not have
    return Setup(config, network, data, fold)


def describe(setup: Setup) -> dict[str, Any]:
    """Returns what `config.json` holds. Two runs may share a folder only if `must_match` is the same."""
    settings = to_json(setup.config)
    by_content = {*INCIDENTAL, "init"}  # hashes of data and weights say more than the spelling of a path
    return {
        "format": runs.FORMAT,
        "must_match": {key: value for key, value in settings.items() if key not in by_content}
        | {"data": setup.data.fingerprint, "split": split_digest(setup), "weights": setup.network.card.sha256},
        "config": settings,
        "classes": list(setup.data.card.classes),
        "layers": list(setup.network.model.named_layers),  # what tables and figures show, in order
        "all_layers": list(setup.network.model.all_layers),
        "init": dataclasses.asdict(setup.network.card),
        "card": dataclasses.asdict(setup.data.card),
        "skipped": list(setup.data.skipped),
        "leakage": describe_leaks(setup.data, setup.fold),
        "devices": devices.describe(),
        "versions": {"tljax": tljax.__version__, "jax": jax.__version__, "python": platform.python_version()},
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def split_digest(setup: Setup) -> str:
    """Returns a hash of which images are for training, validation and testing."""
    files = [[setup.data.files[row] for row in getattr(setup.fold, part)] for part in PARTS]
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()
