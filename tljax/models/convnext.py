"""ConvNeXt (Liu et al. 2022, https://arxiv.org/abs/2201.03545). Stochastic depth is off."""

from collections.abc import Collection
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from tljax.models.attention import Gelu, gelu, small_normal
from tljax.models.backbone import BackboneModule, Taps, mean_over_positions
from tljax.models.convolution import depthwise
from tljax.models.layers import Conv, Dense, Initialiser, LayerNorm, constant, drawn, glorot_uniform

STEM_STRIDE = 4  # stride and kernel size of the stem
KERNEL = 7  # size of the depthwise kernel
WIDENING = 4  # channels in the middle of a block, as a multiple of its input's


@dataclass(frozen=True)
class Variant:
    """What distinguishes two ConvNeXts of equal sizes.

    norm_first: whether the last LayerNorm comes before pooling instead of after it.
    epsilon: that of every LayerNorm except the last one, which has `last_epsilon`.
    layer_scale: initial value of the factors of a block's branch (Touvron et al. 2021).
    """

    norm_first: bool = False
    epsilon: float = 1e-6
    last_epsilon: float = 1e-6
    gelu: Gelu = "exact"
    layer_scale: float = 1e-6
    init: Initialiser = small_normal


VARIANTS = {
    "torch": Variant(),  # the authors', torchvision's, timm's
    "transformers": Variant(last_epsilon=1e-12),
    "keras": Variant(init=glorot_uniform),
    "keras_norm_first": Variant(norm_first=True, init=glorot_uniform),  # without top, with pooling added by the user
}


@dataclass(frozen=True)
class Architecture:
    blocks: tuple[int, ...]  # in each stage
    widths: tuple[int, ...]  # channels of each stage


ARCHITECTURES = {
    "convnext_tiny": Architecture((3, 3, 9, 3), (96, 192, 384, 768)),
    "convnext_small": Architecture((3, 3, 27, 3), (96, 192, 384, 768)),
    "convnext_base": Architecture((3, 3, 27, 3), (128, 256, 512, 1024)),
    "convnext_micro": Architecture((2, 1, 1, 1), (8, 16, 24, 32)),
}


class Depthwise(nnx.Module):
    """A depthwise convolution with bias."""

    def __init__(self, channels: int, init: Initialiser, dtype: DTypeLike, rng: np.random.Generator | None):
        self.kernel = nnx.Param(drawn(init, rng, (KERNEL, KERNEL, 1, channels)))
        self.bias = nnx.Param(constant(0.0, channels))
        self.dtype = dtype

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        y = depthwise(x.astype(self.dtype), self.kernel[...].astype(self.dtype))
        return y + self.bias[...].astype(self.dtype)[None, None, None, :]


class Block(nnx.Module):
    """Depthwise convolution, LayerNorm and two dense layers with GELU, scaled and added to the input."""

    def __init__(self, channels: int, variant: Variant, dtype: DTypeLike, rng: np.random.Generator | None):
        self.depthwise = Depthwise(channels, variant.init, dtype, rng)
        self.norm = LayerNorm(channels, variant.epsilon, dtype)
        self.up = Dense(channels, WIDENING * channels, True, variant.init, dtype, rng)
        self.down = Dense(WIDENING * channels, channels, True, variant.init, dtype, rng)
        self.scale = nnx.Param(constant(variant.layer_scale, channels))
        self.gelu: Gelu = variant.gelu

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        y = self.down(gelu(self.up(self.norm(self.depthwise(x))), self.gelu))
        return x + y * self.scale[...].astype(y.dtype)[None, None, None, :]


class ConvNeXt(BackboneModule):
    """A ConvNeXt with named layers.

    `stem` is the input of the first block, `stage1` .. `stage4` are the outputs of the stages. `all_layers` names every
    block: `stage3.2` is the third block of the third stage. The features are the mean over the positions, followed by
    the last LayerNorm; in variants with `norm_first`, the LayerNorm comes first.
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
        self.variant, self.norm_first = variant, kind.norm_first
        self.input_smallest = STEM_STRIDE * 2 ** (len(size.blocks) - 1)
        self.name_layers("stem", "stage", size.blocks)
        channels = size.widths[0]
        self.stem = Conv(3, channels, STEM_STRIDE, STEM_STRIDE, True, kind.init, dtype, rng, padding=0)
        self.stem_norm = LayerNorm(channels, kind.epsilon, dtype)
        norms, convs, stages = [], [], []
        for stage, (count, width) in enumerate(zip(size.blocks, size.widths, strict=True)):
            if stage > 0:
                norms.append(LayerNorm(channels, kind.epsilon, dtype))
                convs.append(Conv(channels, width, 2, 2, True, kind.init, dtype, rng, padding=0))
            stages.append(nnx.List([Block(width, kind, dtype, rng) for _ in range(count)]))
            channels = width
        self.down_norms, self.down_convs, self.stages = nnx.List(norms), nnx.List(convs), nnx.List(stages)
        self.norm = LayerNorm(channels, kind.last_epsilon, jnp.float32)
        self.add_head(channels, num_classes, dropout, rng)

    def features(
        self,
        x: Float[Array, "b h w 3"],
        layers: Collection[str] = (),
        mask: Bool[Array, " b"] | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> tuple[Float[Array, "b d"], dict[str, Float[Array, "b _h _w _c"]]]:
        """Returns the pooled features, float32, and the activations of `layers` (see `Backbone`).

        mask: not used, as no layer combines images. Raises UserError if a side of the images has fewer than 32 pixels.
        """
        self.refuse_small(x)
        taps = Taps(layers)
        y = taps("stem", self.stem_norm(self.stem(x)))
        for number, blocks in enumerate(self.stages, start=1):
            if number > 1:
                y = self.down_convs[number - 2](self.down_norms[number - 2](y))
            for index, block in enumerate(blocks):
                y = taps(f"stage{number}.{index}", block(y))
            y = taps(f"stage{number}", y)
        pooled = mean_over_positions(self.norm(y)) if self.norm_first else self.norm(mean_over_positions(y))
        return pooled, taps.found()

    def first_filters(self) -> Float[Array, "kh kw c n"]:
        return self.stem.kernel[...]


Network = ConvNeXt
