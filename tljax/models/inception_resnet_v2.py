"""Inception-ResNet-V2 (Szegedy et al. 2017, https://arxiv.org/abs/1602.07261).

Images have at least 75 pixels along each side.
"""

import math
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from tljax.models.inception import Branch, Chain, Inception, Part, Plan, Unit, Variant, narrowed
from tljax.models.layers import Conv, glorot_uniform

NORMALISATION = "inception"


def fan_in_uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draws a kernel `... in out` from PyTorch's default distribution: uniform, scaled by the number of inputs."""
    return (2 * rng.random(shape, np.float32) - 1) / np.float32(math.sqrt(math.prod(shape[:-1])))


VARIANTS = {
    "torch": Variant(norm_scale=True, count_padding=False, epsilon=1e-3, momentum=0.9, conv_init=fan_in_uniform),
    "keras": Variant(norm_scale=False, count_padding=False, epsilon=1e-3, momentum=0.99, conv_init=glorot_uniform),
}


@dataclass(frozen=True)
class Residual:
    """The sizes of a block that adds the scaled output of its branches to its input."""

    branches: tuple[Branch, ...]
    scale: float  # the factor of the branches' output
    relu: bool = True

    def narrowed(self, divisor: int) -> "Residual":
        """Returns a block of fewer channels."""
        return replace(self, branches=narrowed(self.branches, divisor))

    def build(
        self, inputs: int, variant: Variant, dtype: DTypeLike, rng: np.random.Generator | None
    ) -> "ResidualBlock":
        return ResidualBlock(inputs, self, variant, dtype, rng)


_SMALL_GRID = (
    (Unit(96),),
    (Unit(48), Unit(64, 5)),
    (Unit(64), Unit(96, 3), Unit(96, 3)),
)
_HALVE = Unit(384, 3, 2, pad=False)

FIRST = Plan(_SMALL_GRID, "average", Unit(64))
BLOCK35 = Residual(((Unit(32),), (Unit(32), Unit(32, 3)), (Unit(32), Unit(48, 3), Unit(64, 3))), 0.17)
REDUCTION = Plan(((_HALVE,), (Unit(256), Unit(256, 3), _HALVE)), "max")
BLOCK17 = Residual(((Unit(192),), (Unit(128), Unit(160, (1, 7)), Unit(192, (7, 1)))), 0.1)
LAST_REDUCTION = Plan(
    (
        (Unit(256), _HALVE),
        (Unit(256), Unit(288, 3, 2, pad=False)),
        (Unit(256), Unit(288, 3), Unit(320, 3, 2, pad=False)),
    ),
    "max",
)
BLOCK8 = Residual(((Unit(192),), (Unit(192), Unit(224, (1, 3)), Unit(256, (3, 1)))), 0.2)
LAST = Unit(1536)


@dataclass(frozen=True)
class Architecture:
    """The sizes of an Inception-ResNet-V2."""

    blocks: tuple[int, int, int] = (10, 20, 10)  # residual blocks in each stage; the last block has no ReLU
    divisor: int = 1  # number by which all channels are divided

    @property
    def stages(self) -> tuple[tuple[Part, ...], ...]:
        """The blocks of each stage."""
        first, second, third = self.blocks
        wide = (
            (FIRST, *(BLOCK35,) * first),
            (REDUCTION, *(BLOCK17,) * second),
            (LAST_REDUCTION, *(BLOCK8,) * (third - 1), replace(BLOCK8, scale=1.0, relu=False), LAST),
        )
        return tuple(tuple(part.narrowed(self.divisor) for part in stage) for stage in wide)


ARCHITECTURES = {
    "inception_resnet_v2": Architecture(),
    "inception_resnet_v2_tiny": Architecture((1, 1, 2), divisor=16),
}


class ResidualBlock(nnx.Module):
    """Branches whose outputs pass through a 1x1 convolution, and are scaled and added to the input."""

    def __init__(
        self, inputs: int, plan: Residual, variant: Variant, dtype: DTypeLike, rng: np.random.Generator | None
    ):
        self.branches = nnx.List([Chain(inputs, branch, variant, dtype, rng) for branch in plan.branches])
        joined = sum(branch.outputs for branch in self.branches)
        self.up = Conv(joined, inputs, 1, 1, True, variant.conv_init, dtype, rng)
        self.outputs, self.scale, self.relu = inputs, plan.scale, plan.relu

    def __call__(self, x: Float[Array, "b h w c"], mask: Bool[Array, " b"] | None) -> Float[Array, "b h w c"]:
        y = self.up(jnp.concatenate([branch(x, mask) for branch in self.branches], axis=-1))
        y = x + y * self.scale
        return nnx.relu(y) if self.relu else y


class Network(Inception):
    architectures, variants = ARCHITECTURES, VARIANTS
