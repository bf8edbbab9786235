"""The parts of Inception networks (Szegedy et al. 2016, https://arxiv.org/abs/1512.00567), for several families.

A block is described as data: parallel branches with a common input, each a sequence of convolutions.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from tljax.models.backbone import BackboneModule, Taps, mean_over_positions
from tljax.models.layers import BatchNorm, Conv, Initialiser
from tljax.models.pooling import average_of_neighbours, max_pool

SMALLEST_SIDE = 75  # pixels; for smaller images, the grid of the last block would be empty


@dataclass(frozen=True)
class Variant:
    """What distinguishes two Inception networks of equal convolutions."""

    norm_scale: bool  # whether BatchNorm has a scale
    count_padding: bool  # whether average pooling counts the zeros around the image
    epsilon: float
    momentum: float  # share of the running statistics kept at each step
    conv_init: Initialiser


@dataclass(frozen=True)
class Unit:
    """The sizes of a convolution with BatchNorm and ReLU."""

    outputs: int
    size: int | tuple[int, int] = 1
    stride: int = 1
    pad: bool = True  # zeros around the image that keep its size before the stride

    def narrowed(self, divisor: int) -> "Unit":
        """Returns a convolution of fewer channels."""
        return replace(self, outputs=self.outputs // divisor)

    def build(self, inputs: int, variant: Variant, dtype: DTypeLike, rng: np.random.Generator | None) -> "ConvNorm":
        return ConvNorm(inputs, self, variant, dtype, rng)


Branch = tuple[Unit | tuple[Unit, ...], ...]  # convolutions in sequence; an inner tuple holds parallel convolutions


@dataclass(frozen=True)
class Plan:
    """The sizes of a block of branches: several of convolutions, and one with pooling."""

    branches: tuple[Branch, ...]
    pool: Literal["average", "max"] | None = None
    pooled: Unit | None = None  # the 1x1 convolution after average pooling; max pooling has none

    def narrowed(self, divisor: int) -> "Plan":
        """Returns a block of fewer channels."""
        pooled = None if self.pooled is None else self.pooled.narrowed(divisor)
        return replace(self, branches=narrowed(self.branches, divisor), pooled=pooled)

    def build(self, inputs: int, variant: Variant, dtype: DTypeLike, rng: np.random.Generator | None) -> "Mixed":
        return Mixed(inputs, self, variant, dtype, rng)


def narrowed(branches: tuple[Branch, ...], divisor: int) -> tuple[Branch, ...]:
    """Returns branches of fewer channels."""
    return tuple(tuple(_narrowed_step(units, divisor) for units in branch) for branch in branches)


def _narrowed_step(units: Unit | tuple[Unit, ...], divisor: int) -> Unit | tuple[Unit, ...]:
    return units.narrowed(divisor) if isinstance(units, Unit) else tuple(unit.narrowed(divisor) for unit in units)


@runtime_checkable
class Part(Protocol):
    """A block as data: a Unit, a Plan, or one that a family adds."""

    def build(self, inputs: int, variant: Variant, dtype: DTypeLike, rng: np.random.Generator | None) -> nnx.Module:
        """Returns the block, which has `outputs` channels and is called with activations and mask."""
        ...


@runtime_checkable
class Branched(Part, Protocol):
    """A block of several branches."""

    @property
    def branches(self) -> tuple[Branch, ...]:
        """The branches, whose outputs are concatenated."""
        ...


class ConvNorm(nnx.Module):
    """A convolution without bias, BatchNorm and ReLU."""

    def __init__(self, inputs: int, unit: Unit, variant: Variant, dtype: DTypeLike, rng: np.random.Generator | None):
        padding = None if unit.pad else 0
        self.conv = Conv(
            inputs, unit.outputs, unit.size, unit.stride, False, variant.conv_init, dtype, rng, padding=padding
        )
        self.norm = BatchNorm(unit.outputs, variant.momentum, variant.epsilon, dtype, variant.norm_scale)
        self.outputs = unit.outputs

    def __call__(self, x: Float[Array, "b h w c"], mask: Bool[Array, " b"] | None) -> Float[Array, "b h2 w2 o"]:
        return nnx.relu(self.norm(self.conv(x), mask))


class Chain(nnx.Module):
    """The convolutions of one branch. The outputs of parallel convolutions are concatenated."""

    def __init__(
        self, inputs: int, branch: Branch, variant: Variant, dtype: DTypeLike, rng: np.random.Generator | None
    ):
        steps = []
        for step in branch:
            units = (step,) if isinstance(step, Unit) else step
            steps.append(nnx.List([ConvNorm(inputs, unit, variant, dtype, rng) for unit in units]))
            inputs = sum(unit.outputs for unit in units)
        self.steps, self.outputs = nnx.List(steps), inputs

    def __call__(self, x: Float[Array, "b h w c"], mask: Bool[Array, " b"] | None) -> Float[Array, "b h2 w2 o"]:
        for step in self.steps:
            found = [unit(x, mask) for unit in step]
            x = found[0] if len(found) == 1 else jnp.concatenate(found, axis=-1)
        return x


class Mixed(nnx.Module):
    """Branches of convolutions and one of pooling, whose outputs are concatenated."""

    def __init__(self, inputs: int, plan: Plan, variant: Variant, dtype: DTypeLike, rng: np.random.Generator | None):
        self.branches = nnx.List([Chain(inputs, branch, variant, dtype, rng) for branch in plan.branches])
        self.pool, self.count_padding = plan.pool, variant.count_padding
        self.pooled = None if plan.pooled is None else ConvNorm(inputs, plan.pooled, variant, dtype, rng)
        self.outputs = sum(branch.outputs for branch in self.branches)
        if plan.pool:
            self.outputs += inputs if plan.pooled is None else plan.pooled.outputs

    def __call__(self, x: Float[Array, "b h w c"], mask: Bool[Array, " b"] | None) -> Float[Array, "b h2 w2 o"]:
        found = [branch(x, mask) for branch in self.branches]
        if self.pool == "max":
            found.append(max_pool(x, padding=0))
        elif self.pooled is not None:
            # pooling after the 1x1 convolution gives the same result as before it, with fewer channels to pool
            y = average_of_neighbours(self.pooled.conv(x), self.count_padding)
            found.append(nnx.relu(self.pooled.norm(y, mask)))
        return jnp.concatenate(found, axis=-1)


STEM = (Unit(32, 3, 2, pad=False), Unit(32, 3, pad=False), Unit(64, 3), Unit(80), Unit(192, 3, pad=False))
POOLED = (2, 4)  # numbers of the stem's convolutions, from 0, that max pooling follows


class Sizes(Protocol):
    """The sizes of an Inception network."""

    @property
    def divisor(self) -> int:
        """Number by which the channels of every convolution are divided."""
        ...

    @property
    def stages(self) -> Sequence[Sequence[Part]]:
        """The blocks of each stage after the stem."""
        ...


class Inception(BackboneModule):
    """A network of a stem and three stages of blocks, with named layers.

    `conv1` is the first convolution after its ReLU, `block1` is the end of the stem, and `block2` .. `block4` are the
    ends of the stages. Their grids have 1/2, 1/4, 1/8, 1/16 and 1/32 of the sides of the image. `all_layers` names each
    convolution of the stem (`block1.0` is the second one) and each block of a stage.
    """

    input_smallest = SMALLEST_SIDE
    architectures: ClassVar[Mapping[str, Sizes]]  # of a family
    variants: ClassVar[Mapping[str, Variant]]

    def __init__(
        self,
        architecture: str,
        variant: str,
        num_classes: int,
        *,
        dropout: float = 0.5,
        dtype: DTypeLike = jnp.float32,
        rng: np.random.Generator | None,
    ):
        size, kind = self.architectures[architecture], self.variants[variant]
        self.variant = variant
        self.name_layers("conv1", "block", (len(STEM) - 1, *map(len, size.stages)))
        channels, built = self.input_channels, []
        stem = (unit.narrowed(size.divisor) for unit in STEM)
        for part in (*stem, *(part for stage in size.stages for part in stage)):
            built.append(part.build(channels, kind, dtype, rng))
            channels = built[-1].outputs
        self.stem, rest = nnx.List(built[: len(STEM)]), iter(built[len(STEM) :])
        self.stages = nnx.List([nnx.List([next(rest) for _ in stage]) for stage in size.stages])
        self.add_head(channels, num_classes, dropout, rng)

    def features(
        self,
        x: Float[Array, "b h w 3"],
        layers: Collection[str] = (),
        mask: Bool[Array, " b"] | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> tuple[Float[Array, "b c"], dict[str, Float[Array, "b _h _w _c"]]]:
        """Returns the pooled features, float32, and the activations of `layers` (see `Backbone`).

        Raises UserError if a side of the images has fewer than 75 pixels.
        """
        self.refuse_small(x)
        taps, y = Taps(layers), x
        for index, unit in enumerate(self.stem):
            y = taps("conv1" if index == 0 else f"block1.{index - 1}", unit(y, mask))
            if index == len(self.stem) - 1:
                y = taps("block1", y)
            y = max_pool(y, padding=0) if index in POOLED else y
        for stage, blocks in enumerate(self.stages, start=2):
            for index, block in enumerate(blocks):
                y = taps(f"block{stage}.{index}", block(y, mask))
            y = taps(f"block{stage}", y)
        return mean_over_positions(y), taps.found()

    def first_filters(self) -> Float[Array, "kh kw c n"]:
        return self.stem[0].conv.kernel[...]
