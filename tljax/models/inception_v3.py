"""Inception V3 (Szegedy et al. 2016, https://arxiv.org/abs/1512.00567).

Images have at least 75 pixels along each side. The auxiliary classifier of the paper is no part of the network here.
"""

from dataclasses import dataclass

import numpy as np

from tljax.models.inception import Inception, Plan, Unit, Variant
from tljax.models.layers import glorot_uniform

NORMALISATION = "inception"


def tenth_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Of a standard deviation of 0.1: torchvision's and timm's choice."""
    return 0.1 * rng.standard_normal(shape, np.float32)


VARIANTS = {
    "torch": Variant(norm_scale=True, count_padding=True, epsilon=1e-3, momentum=0.9, conv_init=tenth_normal),
    "keras": Variant(norm_scale=False, count_padding=False, epsilon=1e-3, momentum=0.99, conv_init=glorot_uniform),
}


@dataclass(frozen=True)
class Architecture:
    """Sizes, of which the tiny network has less."""

    pooled: tuple[int, ...] = (32, 64, 64)  # channels of the pooling branch of each block of the first stage
    factorised: tuple[int, ...] = (128, 160, 160, 192)  # those of the 7x1 and 1x7 convolutions, in the second stage
    expanded: int = 2  # blocks at the end of the third stage
    divisor: int = 1  # of all channels

    @property
    def stages(self) -> tuple[tuple[Plan, ...], ...]:
        """The blocks of each stage."""
        wide = (
            tuple(map(_small_grid, self.pooled)),
            (REDUCTION, *map(_factorised, self.factorised)),
            (LAST_REDUCTION, *(EXPANDED,) * self.expanded),
        )
        return tuple(tuple(plan.narrowed(self.divisor) for plan in stage) for stage in wide)


ARCHITECTURES = {
    "inception_v3": Architecture(),
    "inception_v3_tiny": Architecture((64,), (128,), 1, divisor=16),
}

ROW, COLUMN = (1, 7), (7, 1)


def _small_grid(pooled: int) -> Plan:
    """A block of 1x1, 5x5 and twice 3x3 convolutions."""
    branches = ((Unit(64),), (Unit(48), Unit(64, 5)), (Unit(64), Unit(96, 3), Unit(96, 3)))
    return Plan(branches, "average", Unit(pooled))


def _factorised(width: int) -> Plan:
    """A block of 7x7 convolutions, each in two of a row and a column."""
    once = (Unit(width), Unit(width, ROW), Unit(192, COLUMN))
    twice = (Unit(width), Unit(width, COLUMN), Unit(width, ROW), Unit(width, COLUMN), Unit(192, ROW))
    return Plan(((Unit(192),), once, twice), "average", Unit(192))


REDUCTION = Plan(
    ((Unit(384, 3, 2, pad=False),), (Unit(64), Unit(96, 3), Unit(96, 3, 2, pad=False))),
    "max",
)
LAST_REDUCTION = Plan(
    (
        (Unit(192), Unit(320, 3, 2, pad=False)),
        (Unit(192), Unit(192, ROW), Unit(192, COLUMN), Unit(192, 3, 2, pad=False)),
    ),
    "max",
)
_BOTH = (Unit(384, (1, 3)), Unit(384, (3, 1)))  # side by side
EXPANDED = Plan(
    ((Unit(320),), (Unit(384), _BOTH), (Unit(448), Unit(384, 3), _BOTH)),
    "average",
    Unit(192),
)


class Network(Inception):
    architectures, variants = ARCHITECTURES, VARIANTS
