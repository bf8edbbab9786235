"""Checks and resolves the settings of a run, without loading the training engine."""

import dataclasses
import re

from tljax import datasets, models
from tljax.core import devices, extras
from tljax.core.config import TrainConfig
from tljax.core.errors import UserError, require_at_least, require_seed
from tljax.datasets.folds import RULES
from tljax.weights import networks

DROPOUT = 0.5  # in the paper's pre-trained models; its random model had none


def check(config: TrainConfig) -> None:
    """Raises UserError for a value outside its range, and for a missing optional package."""
    if config.tensorboard:
        extras.require("tensorboardX", to="write TensorBoard files")
    require_at_least(1, config, "epochs", "batch_size", "image_size", "head_epochs", "patience", "head_patience")
    require_at_least(0, config, "warmup_epochs")
    require_seed(config.seed)
    for name in ("learning_rate", "head_learning_rate"):
        if not 0 < getattr(config, name) < float("inf"):
            raise UserError(f"--{name.replace('_', '-')} {getattr(config, name)}: must be a positive number")
    if not 0 <= config.weight_decay < float("inf"):
        raise UserError(f"--weight-decay {config.weight_decay}: must be 0 or a positive number")
    if config.dropout is not None and not 0 <= config.dropout < 1:
        raise UserError(f"--dropout {config.dropout}: must be at least 0 and less than 1")
    if not re.fullmatch(r"[\w.+-]*", config.tag):
        raise UserError(
            f"--tag {config.tag!r}: it becomes part of a folder's name; use letters, digits and . + - _ only"
        )


def resolve(config: TrainConfig, card: datasets.Card) -> TrainConfig:
    """Returns the config with every default that depends on the task or the device filled in."""
    return dataclasses.replace(
        config,
        folds=RULES[config.folds],
        image_size=config.image_size or card.image_size,
        batch_size=config.batch_size or card.batch_size,
        dropout=(0.0 if networks.is_random(config.init) else DROPOUT) if config.dropout is None else config.dropout,
        variant=config.variant or models.default_variant(config.backbone),
        precision=devices.compute_dtype(config.precision).name,
    )


def tag_of(config: TrainConfig) -> str:
    """Returns the part of the folder's name that distinguishes runs of the same initialisation."""
    return "-".join(part for part in ("" if config.train == "all" else config.train, config.tag) if part)
