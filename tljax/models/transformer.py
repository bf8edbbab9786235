"""The vision transformer (Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929), for several families."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from tljax.core.errors import UserError
from tljax.models.attention import HIGHEST, Attention, Gelu, Perceptron, Rotation, lecun_normal, small_normal
from tljax.models.backbone import BackboneModule, Taps
from tljax.models.layers import LayerNorm, constant, drawn
from tljax.models.positions import SIZED, Interpolation, resize, rotary_angles, rotate
from tljax.models.precision import at_least_float32

QUARTERS = 4  # number of equal parts of the depth, after each of which there is a named layer


@dataclass(frozen=True)
class Architecture:
    """The sizes of a transformer."""

    width: int  # channels of a token
    depth: int  # blocks
    heads: int
    patch: int  # pixels along the side of a patch
    image: int = 0  # pixels along the side of the images for which position embeddings are learned

    @property
    def grid(self) -> int:
        """Patches along the side of such an image."""
        return self.image // self.patch


@dataclass(frozen=True)
class Variant:
    """What distinguishes two transformers of equal sizes.

    pooling: whether the features are the class token, or the mean over the patches.
    norm_first: whether the last LayerNorm comes before pooling instead of after it.
    registers: number of extra tokens between the class token and the patches (Darcet et al. 2024).
    positions: which tokens have a learned position embedding: the patches, also the class token (`class`), also the
        registers (`all`); or rotary positions.
    interpolation: how the embeddings of the patches are resized for images of another size.
    layer_scale: initial value of the factors of each branch (Touvron et al. 2021); None: there are no factors.
    qkv_biases: which of queries, keys and values have a bias.
    norm_tokens: a LayerNorm before the first block.
    heads: how many times the heads of the architecture it has.
    temperature: of the rotations.
    normalisation: of the input of a network of random weights, a key of NORMALISATIONS.
    """

    pooling: Literal["class", "mean"] = "class"
    norm_first: bool = True
    registers: int = 0
    positions: Literal["patches", "class", "all", "rotary"] = "class"
    interpolation: Interpolation = SIZED
    layer_scale: float | None = None
    qkv_biases: Literal["all", "query_value", "none"] = "all"
    patch_bias: bool = True
    norm_tokens: bool = False
    heads: int = 1
    gelu: Gelu = "exact"
    epsilon: float = 1e-6
    temperature: float = 100.0
    normalisation: str = "imagenet"

    @property
    def prefix(self) -> int:
        """The number of tokens before the patches: class token and registers."""
        return 1 + self.registers

    @property
    def placed(self) -> int | None:
        """The number of these tokens that have a position embedding; None if no token has one."""
        return {"patches": 0, "class": 1, "all": self.prefix, "rotary": None}[self.positions]


class PatchEmbedding(nnx.Module):
    """A convolution whose stride is its size, computed as one matrix product."""

    def __init__(self, side: int, width: int, bias: bool, dtype: DTypeLike, rng: np.random.Generator | None):
        self.kernel = nnx.Param(drawn(lecun_normal, rng, (side, side, 3, width)))
        self.bias = nnx.Param(constant(0.0, width)) if bias else None
        self.side, self.dtype = side, dtype

    def __call__(self, x: Float[Array, "b h w 3"]) -> Float[Array, "b h2 w2 c"]:
        b, h, w, channels = x.shape
        side, kernel = self.side, self.kernel[...].astype(self.dtype)
        _refuse_other_sizes(h, w, side)
        rows, columns = h // side, w // side
        x = x.astype(self.dtype).reshape(b, rows, side, columns, side, channels).transpose(0, 1, 3, 2, 4, 5)
        y = jnp.matmul(x.reshape(b, rows, columns, -1), kernel.reshape(-1, kernel.shape[-1]), precision=HIGHEST)
        return y if self.bias is None else y + self.bias[...].astype(self.dtype)[None, None, None, :]


def _refuse_other_sizes(height: int, width: int, patch: int) -> None:
    """Raises UserError if an image cannot be divided into whole patches."""
    if height % patch or width % patch:
        sides = {size for side in (height, width) for size in (side // patch * patch, -(-side // patch) * patch)}
        nearest = " or ".join(str(side) for side in sorted(sides) if side)
        raise UserError(
            f"images of {height} x {width} pixels cannot be divided into patches of {patch} x {patch} pixels; the "
            f"nearest possible size is --image-size {nearest}"
        )


class Block(nnx.Module):
    """Attention and a perceptron, each after a LayerNorm and added to its input."""

    def __init__(self, size: Architecture, variant: Variant, dtype: DTypeLike, rng: np.random.Generator | None):
        width = size.width
        self.norm1 = LayerNorm(width, variant.epsilon, dtype)
        self.attention = Attention(width, size.heads * variant.heads, variant.qkv_biases, dtype, rng)
        self.norm2 = LayerNorm(width, variant.epsilon, dtype)
        self.mlp = Perceptron(width, 4 * width, variant.gelu, dtype, rng)
        first = variant.layer_scale
        self.scale1, self.scale2 = (None if first is None else nnx.Param(constant(first, width)) for _ in range(2))

    def __call__(self, x: Float[Array, "b t c"], rotation: Rotation | None) -> Float[Array, "b t c"]:
        x = x + _scaled(self.attention(self.norm1(x), rotation), self.scale1)
        return x + _scaled(self.mlp(self.norm2(x)), self.scale2)


def _scaled(x: Float[Array, "b t c"], factors: nnx.Param | None) -> Float[Array, "b t c"]:
    return x if factors is None else x * factors[...].astype(x.dtype)[None, None, :]


class VisionTransformer(BackboneModule):
    """A transformer over square patches of an image, with named layers.

    `embedding` is the input of the first block, and `block3` is the output of the third one; both hold only the tokens
    of the patches. `named_layers` are the embedding and the blocks at a quarter, a half, three quarters and the whole
    of the depth.
    """

    architectures: ClassVar[Mapping[str, Architecture]]  # those of the family
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
        self.variant, self.size, self.kind, self.dtype = variant, size, kind, dtype
        self.input_multiple = size.patch
        quarters = sorted({-(-size.depth * quarter // QUARTERS) for quarter in range(1, QUARTERS + 1)})
        self.named_layers = ("embedding", *(f"block{block}" for block in quarters))
        self.all_layers = ("embedding", *(f"block{block + 1}" for block in range(size.depth)))
        # after the last block, only the class token is used, so no logit depends on the patches there
        self.saliency_layer = self.all_layers[-2 if kind.pooling == "class" else -1]
        self.patch = PatchEmbedding(size.patch, size.width, kind.patch_bias, dtype, rng)
        self.class_token = _tokens(1, size.width, rng)
        self.registers = _tokens(kind.registers, size.width, rng) if kind.registers else None
        placed = kind.placed
        self.positions = None if placed is None else _tokens(placed + size.grid**2, size.width, rng)
        self.norm_tokens = LayerNorm(size.width, kind.epsilon, dtype) if kind.norm_tokens else None
        self.blocks = nnx.List([Block(size, kind, dtype, rng) for _ in range(size.depth)])
        self.norm = LayerNorm(size.width, kind.epsilon, dtype)
        self.add_head(size.width, num_classes, dropout, rng)

    def features(
        self,
        x: Float[Array, "b h w 3"],
        layers: Collection[str] = (),
        mask: Bool[Array, " b"] | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> tuple[Float[Array, "b d"], dict[str, Float[Array, "b _h _w _c"]]]:
        """Returns the pooled tokens, float32, and the activations of `layers` (see `Backbone`).

        mask: not used, as no layer combines images. Raises UserError if a side of the images is not a multiple of the
        patch size.
        """
        patches = self.patch(x)
        grid, taps = (patches.shape[1], patches.shape[2]), Taps(layers)
        y = self._tap(taps, "embedding", self._with_prefix(patches), grid)
        rotation = self._rotation(grid)
        for number, block in enumerate(self.blocks, start=1):
            y = self._tap(taps, f"block{number}", block(y, rotation), grid)
        return self._pooled(y), taps.found()

    def first_filters(self) -> Float[Array, "p p c n"]:
        return self.patch.kernel[...]

    def _tap(self, taps: Taps, name: str, y: Float[Array, "b t c"], grid: tuple[int, int]) -> Float[Array, "b t c"]:
        """Passes the tokens of the patches to `taps` as a grid, and returns all tokens."""
        if name not in taps:
            return y
        prefix, patches = y[:, : self.kind.prefix], y[:, self.kind.prefix :]
        patches = taps(name, patches.reshape(len(y), *grid, -1)).reshape(patches.shape)
        return jnp.concatenate([prefix, patches], axis=1)

    def _with_prefix(self, patches: Float[Array, "b h w c"]) -> Float[Array, "b t c"]:
        """Returns the input of the first block: class token, registers and patches, with positions added."""
        b, h, w, c = patches.shape
        prefix, y = self.class_token[...], patches.reshape(b, h * w, c)
        if self.registers is not None:
            prefix = jnp.concatenate([prefix, self.registers[...]])
        if self.positions is not None:
            placed, positions = self.kind.placed, self.positions[...]
            grid = resize(positions[placed:].reshape(self.size.grid, -1, c), (h, w), self.kind.interpolation)
            y = y + grid.astype(self.dtype).reshape(1, h * w, c)
            prefix = jnp.concatenate([prefix[:placed] + positions[:placed], prefix[placed:]])
        prefix = jnp.broadcast_to(prefix.astype(self.dtype)[None], (b, *prefix.shape))
        y = jnp.concatenate([prefix, y], axis=1)
        return y if self.norm_tokens is None else self.norm_tokens(y)

    def _rotation(self, grid: tuple[int, int]) -> Rotation | None:
        if self.kind.positions != "rotary":
            return None
        angles = rotary_angles(grid, self.size.width // self.size.heads, self.kind.temperature)
        return partial(rotate, angles=angles, prefix=self.kind.prefix)

    def _pooled(self, y: Float[Array, "b t c"]) -> Float[Array, "b d"]:
        if self.kind.pooling == "class":
            return at_least_float32(self.norm(y[:, 0]))
        y = y[:, self.kind.prefix :]
        if self.kind.norm_first:
            return jnp.mean(at_least_float32(self.norm(y)), axis=1)
        return at_least_float32(self.norm(jnp.mean(at_least_float32(y), axis=1)))


def _tokens(count: int, width: int, rng: np.random.Generator | None) -> nnx.Param:
    return nnx.Param(drawn(small_normal, rng, (count, width)))
