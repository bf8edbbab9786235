"""ResNet with bottleneck blocks (He et al. 2016, https://arxiv.org/abs/1512.03385) in flax.nnx.

Keras and torchvision ship two networks of the same shapes under this name; they differ in what `Variant` holds, and
weights of one run through the other lose about 25 points of ImageNet accuracy without any error.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from tljax.models.layers import (
    BatchNorm,
    Conv,
    Initialiser,
    Linear,
    at_least_float32,
    glorot_uniform,
    he_normal,
    max_pool,
)

EXPANSION = 4


@dataclass(frozen=True)
class Variant:
    """What tells two ResNets of equal shapes apart."""

    stride_in_first: bool  # stride of a stage in its first 1x1 convolution (v1), else in the 3x3 (v1.5)
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
    blocks: tuple[int, ...]  # bottleneck blocks in each stage
    width: int  # channels of conv1; stage s puts out width * 2**s * 4


ARCHITECTURES = {
    "resnet50": Architecture((3, 4, 6, 3), 64),
    "resnet_tiny": Architecture((1, 1, 1, 1), 16),
}


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Outputs:
    logits: Float[Array, "b k"]
    activations: dict[str, Float[Array, "b _h _w _c"]]  # by layer name


class Bottleneck(nnx.Module):
    """1x1, 3x3, 1x1 convolutions, each with BatchNorm, around a shortcut."""

    def __init__(
        self, inputs: int, width: int, stride: int, variant: Variant, dtype: DTypeLike, rng: np.random.Generator | None
    ):
        strides = (stride, 1) if variant.stride_in_first else (1, stride)

        def conv(inputs: int, outputs: int, size: int, stride: int) -> Conv:
            return Conv(inputs, outputs, size, stride, variant.conv_bias, variant.conv_init, dtype, rng)

        def norm(channels: int) -> BatchNorm:
            return BatchNorm(channels, variant.momentum, variant.epsilon, dtype)

        outputs = width * EXPANSION
        self.conv1, self.bn1 = conv(inputs, width, 1, strides[0]), norm(width)
        self.conv2, self.bn2 = conv(width, width, 3, strides[1]), norm(width)
        self.conv3, self.bn3 = conv(width, outputs, 1, 1), norm(outputs)
        self.has_projection = stride != 1 or inputs != outputs
        if self.has_projection:
            self.shortcut_conv, self.shortcut_bn = conv(inputs, outputs, 1, stride), norm(outputs)

    def __call__(self, x: Float[Array, "b h w c"], mask: Bool[Array, " b"] | None) -> Float[Array, "b h2 w2 c2"]:
        y = nnx.relu(self.bn1(self.conv1(x), mask))
        y = nnx.relu(self.bn2(self.conv2(y), mask))
        y = self.bn3(self.conv3(y), mask)
        shortcut = self.shortcut_bn(self.shortcut_conv(x), mask) if self.has_projection else x
        return nnx.relu(y + shortcut)


class ResNet(nnx.Module):
    """Logits and the activations of named layers.

    `conv1` is the first convolution after its ReLU, `block1` .. `block4` the outputs of the four stages; `all_layers`
    names every block (`block3.2` is the third block of the third stage).
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
        self.variant = variant
        self.named_layers = ("conv1", *(f"block{stage + 1}" for stage in range(len(size.blocks))))
        self.all_layers = (
            "conv1",
            *(f"block{stage + 1}.{block}" for stage, count in enumerate(size.blocks) for block in range(count)),
        )
        self.conv1 = Conv(3, size.width, 7, 2, kind.conv_bias, kind.conv_init, dtype, rng)
        self.bn1 = BatchNorm(size.width, kind.momentum, kind.epsilon, dtype)
        channels, stages = size.width, []
        for stage, count in enumerate(size.blocks):
            width, blocks = size.width * 2**stage, []
            for block in range(count):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(Bottleneck(channels, width, stride, kind, dtype, rng))
                channels = width * EXPANSION
            stages.append(nnx.List(blocks))
        self.stages = nnx.List(stages)
        self.dropout = nnx.Dropout(dropout)
        self.head = Linear(channels, num_classes, rng)

    def __call__(
        self,
        x: Float[Array, "b h w 3"],
        *,
        layers: Collection[str] | None = None,
        mask: Bool[Array, " b"] | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> Outputs:
        """x: normalised images; mask: rows that count in BatchNorm's batch statistics; rngs: of Dropout, when training.

        layers: the activations wanted, the five named ones by default.
        """
        features, activations = self.features(x, self.named_layers if layers is None else layers, mask)
        return Outputs(self.classify(features, rngs), activations)

    def trained_by(self, scope: str) -> Callable[[str], bool]:
        """Which tensors (by flat name) a training scope moves: all, head, or last10.

        last10: the head and the last ten Keras layers of the backbone, pooling counted, as RadImageNet's authors
        count them: the last block from its first BatchNorm on.
        """
        last = f"stages.{len(self.stages) - 1}.{len(self.stages[-1]) - 1}."
        tops = tuple(f"{last}{name}." for name in ("bn1", "conv2", "bn2", "conv3", "bn3"))
        prefixes = {"all": ("",), "head": ("head.",), "last10": ("head.", *tops)}[scope]
        return lambda name: name.startswith(prefixes)

    def features(
        self, x: Float[Array, "b h w 3"], layers: Collection[str] = (), mask: Bool[Array, " b"] | None = None
    ) -> tuple[Float[Array, "b c"], dict[str, Float[Array, "b _h _w _c"]]]:
        """The pooled output of the backbone, float32, and the activations of `layers`."""
        found = {}
        y = found["conv1"] = nnx.relu(self.bn1(self.conv1(x), mask))
        y = max_pool(y)
        for stage, blocks in enumerate(self.stages, start=1):
            for index, block in enumerate(blocks):
                y = found[f"block{stage}.{index}"] = block(y, mask)
            found[f"block{stage}"] = y
        return jnp.mean(at_least_float32(y), axis=(1, 2)), {name: found[name] for name in layers}

    def classify(self, features: Float[Array, "b c"], rngs: nnx.Rngs | None = None) -> Float[Array, "b k"]:
        return self.head(self.dropout(features, rngs=rngs))


Network = ResNet
