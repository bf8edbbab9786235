"""Inception V3 (Szegedy et al. 2016, https://arxiv.org/abs/1512.00567).

Images have at least 75 pixels along each side. The auxiliary classifier of the paper is left out.
"""

from dataclasses import dataclass

import numpy as np

from tljax.models.inception import Inception, Plan, Unit, Variant
from tljax.models.layers import glorot_uniform

NORMALISATION = "inception"


def tenth_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draws from a normal distribution with standard deviation 0.1, as torchvision and timm do."""
    return 0.1 * rng.standard_normal(shape, np.float32)


VARIANTS = {
    "torch": Variant(norm_scale=True, count_padding=True, epsilon=1e-3, momentum=0.9, conv_init=tenth_normal),
    "keras": Variant(norm_scale=False, count_padding=False, epsilon=1e-3, momentum=0.99, conv_init=glorot_uniform),
}


@dataclass(frozen=True)
class Architecture:
    """The sizes of an Inception V3."""

    pooled: tuple[int, ...] = (32, 64, 64)  # channels of the pooling branch, for each block of the first stage
    factorised: tuple[int, ...] = (128, 160, 160, 192)  # channels of 7x1 and 1x7 convolutions, in the second stage
    expanded: int = 2  # number of blocks at the end of the third stage
    divisor: int = 1  # number by which all channels are divided

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
    """Returns a block with branches of 1x1, 5x5 and two 3x3 convolutions."""
    branches = ((Unit(64),), (Unit(48), Unit(64, 5)), (Unit(64), Unit(96, 3), Unit(96, 3)))
    return Plan(branches, "average", Unit(pooled))


def _factorised(width: int) -> Plan:
    """Returns a block of 7x7 convolutions, each divided into a 1x7 and a 7x1 convolution."""
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
_BOTH = (Unit(384, (1, 3)), Unit(384, (3, 1)))  # in parallel
EXPANDED = Plan(
    ((Unit(320),), (Unit(384), _BOTH), (Unit(448), Unit(384, 3), _BOTH)),
    "average",
    Unit(192),
)


class Network(Inception):
    architectures, variants = ARCHITECTURES, VARIANTS
