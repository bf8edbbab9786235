"""ResNet with basic and bottleneck blocks (He et al. 2016, https://arxiv.org/abs/1512.03385).

The networks of Keras and torchvision with this name have tensors of the same shapes, but differ in what `Variant`
holds. Weights of one that are run in the other lose about 25 points of ImageNet accuracy, without any error.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from tljax.models.backbone import HEAD, BackboneModule, Taps, mean_over_positions
from tljax.models.layers import BatchNorm, Conv, Initialiser, glorot_uniform, he_normal
from tljax.models.pooling import max_pool

NORMALISATION = "caffe"  # that of the paper; its scale does not matter, because BatchNorm follows conv1


@dataclass(frozen=True)
class Variant:
    """What distinguishes two ResNets of equal shapes."""

    stride_in_first: bool  # stride of a bottleneck stage in its first 1x1 convolution (v1), else in the 3x3 (v1.5)
    conv_bias: bool
    epsilon: float
    momentum: float  # share of the running statistics kept at each step
    conv_init: Initialiser


VARIANTS = {
    "keras_v1": Variant(True, True, 1.001e-5, 0.99, glorot_uniform),
    "torch_v1.5": Variant(False, False, 1e-5, 0.9, he_normal),
}


@dataclass(frozen=True)
class Architecture:
    blocks: tuple[int, ...]  # in each stage
    width: int  # channels of conv1; stage s has width * 2**s output channels, times 4 with bottlenecks
    bottleneck: bool = True  # else basic blocks

    @property
    def convolutions(self) -> int:
        """The number of convolutions of a block, without its shortcut."""
        return 3 if self.bottleneck else 2

    @property
    def expansion(self) -> int:
        """The number of output channels of a block, as a multiple of its width."""
        return 4 if self.bottleneck else 1

    def has_projection(self, stage: int, block: int) -> bool:
        """Returns whether the shortcut of a block is a convolution."""
        return block == 0 and (self.bottleneck or stage > 0)


ARCHITECTURES = {
    "resnet18": Architecture((2, 2, 2, 2), 64, bottleneck=False),
    "resnet34": Architecture((3, 4, 6, 3), 64, bottleneck=False),
    "resnet50": Architecture((3, 4, 6, 3), 64),
    "resnet101": Architecture((3, 4, 23, 3), 64),
    "resnet152": Architecture((3, 8, 36, 3), 64),
    "resnet_tiny": Architecture((1, 1, 1, 1), 16),
}


class Block(nnx.Module):
    """A residual block of convolutions with BatchNorm: two of 3x3 (basic), or 1x1, 3x3 and 1x1 (bottleneck)."""

    def __init__(
        self,
        inputs: int,
        width: int,
        stride: int,
        projection: bool,
        size: Architecture,
        variant: Variant,
        dtype: DTypeLike,
        rng: np.random.Generator | None,
    ):
        def conv(inputs: int, outputs: int, size: int, stride: int) -> Conv:
            return Conv(inputs, outputs, size, stride, variant.conv_bias, variant.conv_init, dtype, rng)

        def norm(channels: int) -> BatchNorm:
            return BatchNorm(channels, variant.momentum, variant.epsilon, dtype)

        outputs = width * size.expansion
        self.is_bottleneck, self.has_projection = size.bottleneck, projection
        if size.bottleneck:
            first, second = (stride, 1) if variant.stride_in_first else (1, stride)
            self.conv1, self.bn1 = conv(inputs, width, 1, first), norm(width)
            self.conv2, self.bn2 = conv(width, width, 3, second), norm(width)
            self.conv3, self.bn3 = conv(width, outputs, 1, 1), norm(outputs)
        else:
            self.conv1, self.bn1 = conv(inputs, width, 3, stride), norm(width)
            self.conv2, self.bn2 = conv(width, outputs, 3, 1), norm(outputs)
        if projection:
            self.shortcut_conv, self.shortcut_bn = conv(inputs, outputs, 1, stride), norm(outputs)

    def __call__(self, x: Float[Array, "b h w c"], mask: Bool[Array, " b"] | None) -> Float[Array, "b h2 w2 c2"]:
        y = nnx.relu(self.bn1(self.conv1(x), mask))
        y = self.bn2(self.conv2(y), mask)
        if self.is_bottleneck:
            y = self.bn3(self.conv3(nnx.relu(y)), mask)
        shortcut = self.shortcut_bn(self.shortcut_conv(x), mask) if self.has_projection else x
        return nnx.relu(y + shortcut)


class ResNet(BackboneModule):
    """A ResNet with named layers.

    `conv1` is the first convolution after its ReLU, and `block1` .. `block4` are the outputs of the four stages.
    `all_layers` names every block: `block3.2` is the third block of the third stage.
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
        self.variant, self.is_bottleneck = variant, size.bottleneck
        self.name_layers("conv1", "block", size.blocks)
        self.conv1 = Conv(3, size.width, 7, 2, kind.conv_bias, kind.conv_init, dtype, rng)
        self.bn1 = BatchNorm(size.width, kind.momentum, kind.epsilon, dtype)
        channels, stages = size.width, []
        for stage, count in enumerate(size.blocks):
            width, blocks = size.width * 2**stage, []
            for block in range(count):
                stride = 2 if stage > 0 and block == 0 else 1
                projection = size.has_projection(stage, block)
                blocks.append(Block(channels, width, stride, projection, size, kind, dtype, rng))
                channels = width * size.expansion
            stages.append(nnx.List(blocks))
        self.stages = nnx.List(stages)
        self.add_head(channels, num_classes, dropout, rng)

    def features(
        self,
        x: Float[Array, "b h w 3"],
        layers: Collection[str] = (),
        mask: Bool[Array, " b"] | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> tuple[Float[Array, "b c"], dict[str, Float[Array, "b _h _w _c"]]]:
        taps = Taps(layers)
        y = max_pool(taps("conv1", nnx.relu(self.bn1(self.conv1(x), mask))))
        for stage, blocks in enumerate(self.stages, start=1):
            for index, block in enumerate(blocks):
                y = taps(f"block{stage}.{index}", block(y, mask))
            y = taps(f"block{stage}", y)
        return mean_over_positions(y), taps.found()

    def trained_by(self, scope: str) -> Callable[[str], bool]:
        """Returns a function that says whether a training scope trains a tensor, by its flat name.

        scope: `all`, `head`, or, with bottleneck blocks, `last10`: the head and the last ten Keras layers of the
        backbone. As in the code of RadImageNet's authors, pooling is one of the ten, so these are the layers of the
        last block from its first BatchNorm on.
        """
        if scope != "last10" or not self.is_bottleneck:
            return super().trained_by(scope)
        last = f"stages.{len(self.stages) - 1}.{len(self.stages[-1]) - 1}."
        tops = (HEAD, *(f"{last}{name}." for name in ("bn1", "conv2", "bn2", "conv3", "bn3")))
        return lambda name: name.startswith(tops)

    def first_filters(self) -> Float[Array, "kh kw c n"]:
        return self.conv1.kernel[...]


Network = ResNet
