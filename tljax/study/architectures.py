"""Finds the architecture of the network of a planned run, without loading the network."""

from functools import cache
from pathlib import Path

from tljax import models, weights
from tljax.core.errors import UserError
from tljax.study.planned import PlannedRun
from tljax.weights import networks


def architecture(run: PlannedRun) -> tuple[str, str]:
    """Returns backbone and variant: those of the initial weights, or of the config if the weights are random."""
    config = run.config
    if not networks.is_random(config.init):
        try:
            return _recorded(config.init, config.weights_dir)
        except UserError:
            pass  # a pre-training of this study that has not finished yet
    return config.backbone, config.variant or models.default_variant(config.backbone)


@cache
def _recorded(init: str, weights_dir: Path | None) -> tuple[str, str]:
    card = weights.read_card(networks.locate(init, weights_dir))
    return card.backbone, card.variant
