"""DenseNet-BC (Huang et al. 2017, https://arxiv.org/abs/1608.06993)."""

from collections.abc import Collection
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from tljax.models.backbone import BackboneModule, Taps, mean_over_positions
from tljax.models.layers import BatchNorm, Conv, Initialiser, glorot_uniform, he_normal
from tljax.models.pooling import average_pool, max_pool

BOTTLENECK = 4  # outputs of a layer's 1x1 convolution, as a multiple of the growth

# means and variances of a batch, for all channels or the first ones; None in inference
Moments = tuple[Float[Array, " _c"], Float[Array, " _c"]] | None


@dataclass(frozen=True)
class Variant:
    """What distinguishes two DenseNets of equal blocks."""

    channels: int  # of the input image
    final_relu: bool  # whether a ReLU follows the last BatchNorm
    epsilon: float
    momentum: float  # share of the running statistics kept at each step
    conv_init: Initialiser
    normalisation: str = "imagenet"  # the input of a network with random weights


VARIANTS = {
    "torch": Variant(3, True, 1e-5, 0.9, he_normal),
    "torch_no_relu": Variant(3, False, 1e-5, 0.9, he_normal),
    "torch_grey": Variant(1, True, 1e-5, 0.9, he_normal, "xrv"),
    "keras": Variant(3, True, 1.001e-5, 0.99, glorot_uniform),
}


@dataclass(frozen=True)
class Architecture:
    blocks: tuple[int, ...]  # dense layers in each block
    growth: int  # number of channels that a dense layer adds; the first convolution has twice as many


ARCHITECTURES = {
    "densenet121": Architecture((6, 12, 24, 16), 32),
    "densenet169": Architecture((6, 12, 32, 32), 32),
    "densenet_tiny": Architecture((2, 1, 1, 1), 8),
}


class NormConv(nnx.Module):
    """BatchNorm, ReLU, convolution."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int,
        variant: Variant,
        dtype: DTypeLike,
        rng: np.random.Generator | None,
    ):
        self.norm = BatchNorm(inputs, variant.momentum, variant.epsilon, dtype)
        self.conv = Conv(inputs, outputs, size, 1, False, variant.conv_init, dtype, rng)

    def __call__(self, x: Float[Array, "b h w c"], mask: Bool[Array, " b"] | None) -> Float[Array, "b h w o"]:
        return self.conv(nnx.relu(self.norm(x, mask)))


class DenseLayer(nnx.Module):
    """A 1x1 and a 3x3 convolution of all earlier outputs of the block, to which their output is appended."""

    def __init__(self, inputs: int, growth: int, variant: Variant, dtype: DTypeLike, rng: np.random.Generator | None):
        self.narrow = NormConv(inputs, BOTTLENECK * growth, 1, variant, dtype, rng)
        self.grow = NormConv(BOTTLENECK * growth, growth, 3, variant, dtype, rng)

    def __call__(
        self, x: Float[Array, "b h w c"], mask: Bool[Array, " b"] | None, known: Moments
    ) -> tuple[Float[Array, "b h w c2"], Moments]:
        """Returns x with the new channels, and the moments of all channels of x. known: those of its first channels."""
        y, known = self.narrow.norm.normalise(x, mask, known)
        y = self.narrow.conv(nnx.relu(y))
        return jnp.concatenate([x, self.grow(y, mask)], axis=-1), known


class DenseNet(BackboneModule):
    """A DenseNet with named layers.

    `conv1` is the first convolution after its ReLU. `block1` .. are the outputs of the dense blocks; the last one is
    taken after the final BatchNorm and ReLU, where it is pooled. `all_layers` names every dense layer: `block3.1` is
    the input of the third block together with the outputs of its first two layers.
    """

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
        size, kind = ARCHITECTURES[architecture], VARIANTS[variant]
        self.variant, self.final_relu, self.input_channels = variant, kind.final_relu, kind.channels
        self.input_smallest = 4 * (2 ** (len(size.blocks) - 1) - 1) + 1  # for a last grid of one position
        self.name_layers("conv1", "block", size.blocks)
        channels = 2 * size.growth
        self.conv1 = Conv(kind.channels, channels, 7, 2, False, kind.conv_init, dtype, rng)
        self.bn1 = BatchNorm(channels, kind.momentum, kind.epsilon, dtype)
        blocks, transitions = [], []
        for block, count in enumerate(size.blocks):
            if block > 0:
                transitions.append(NormConv(channels, channels // 2, 1, kind, dtype, rng))
                channels //= 2
            layers = []
            for _ in range(count):
                layers.append(DenseLayer(channels, size.growth, kind, dtype, rng))
                channels += size.growth
            blocks.append(nnx.List(layers))
        self.blocks, self.transitions = nnx.List(blocks), nnx.List(transitions)
        self.bn2 = BatchNorm(channels, kind.momentum, kind.epsilon, dtype)
        self.add_head(channels, num_classes, dropout, rng)

    def features(
        self,
        x: Float[Array, "b h w c"],
        layers: Collection[str] = (),
        mask: Bool[Array, " b"] | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> tuple[Float[Array, "b d"], dict[str, Float[Array, "b _h _w _c"]]]:
        """Returns the pooled features, float32, and the activations of `layers` (see `Backbone`).

        Raises UserError if the images are so small that the last grid would be empty.
        """
        self.refuse_small(x)
        taps = Taps(layers)
        y = max_pool(taps("conv1", nnx.relu(self.bn1(self.conv1(x), mask))))
        for number, block in enumerate(self.blocks, start=1):
            known = None  # moments of the channels, which all layers of the block share
            for index, layer in enumerate(block):
                y, known = layer(y, mask, known)
                y = taps(f"block{number}.{index}", y)
            if number <= len(self.transitions):
                y, transition = taps(f"block{number}", y), self.transitions[number - 1]
                y, _ = transition.norm.normalise(y, mask, known)
                y = transition.conv(average_pool(nnx.relu(y)))  # the same as pooling after the convolution, but cheaper
        y, _ = self.bn2.normalise(y, mask, known)
        y = taps(f"block{len(self.blocks)}", nnx.relu(y) if self.final_relu else y)
        return mean_over_positions(y), taps.found()

    def first_filters(self) -> Float[Array, "kh kw c n"]:
        return self.conv1.kernel[...]


Network = DenseNet
