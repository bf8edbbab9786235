"""The layers of a transformer: attention and the multilayer perceptron."""

import math
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from tljax.models.layers import Dense, constant
from tljax.models.precision import at_least_float32

Gelu = Literal["exact", "tanh", "quick"]
Rotation = Callable[[Float[Array, "b n t d"]], Float[Array, "b n t d"]]

HIGHEST = jax.lax.Precision.HIGHEST  # full float32; by default, GPU and TPU compute products with fewer bits


def small_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draws from a normal distribution with standard deviation 0.02, as timm, DINOv2 and transformers do."""
    return 0.02 * rng.standard_normal(shape, np.float32)


def lecun_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draws a kernel `... in out` from a normal distribution with variance 1 / inputs (LeCun et al. 1998)."""
    return rng.standard_normal(shape, np.float32) / math.sqrt(math.prod(shape[:-1]))


class Attention(nnx.Module):
    """Multi-head self-attention (Vaswani et al. 2017). One layer computes queries, keys and values.

    biases: which of queries, keys and values have a bias.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        biases: Literal["all", "query_value", "none"],
        dtype: DTypeLike,
        rng: np.random.Generator | None,
    ):
        self.qkv = Dense(channels, 3 * channels, biases == "all", small_normal, dtype, rng)
        if biases == "query_value":
            self.query_bias, self.value_bias = (nnx.Param(constant(0.0, channels)) for _ in range(2))
        self.out = Dense(channels, channels, True, small_normal, dtype, rng)
        self.heads, self.biases, self.dtype = heads, biases, dtype

    def __call__(self, x: Float[Array, "b t c"], rotation: Rotation | None) -> Float[Array, "b t c"]:
        """Returns the attention output of each token. rotation: applied to queries and keys."""
        b, t, c = x.shape
        qkv = self.qkv(x)
        if self.biases == "query_value":
            query, value = (bias[...].astype(self.dtype) for bias in (self.query_bias, self.value_bias))
            qkv = qkv + jnp.concatenate([query, jnp.zeros_like(query), value])[None, None, :]
        query, key, value = qkv.reshape(b, t, 3, self.heads, c // self.heads).transpose(2, 0, 3, 1, 4)
        if rotation is not None:
            query, key = rotation(query), rotation(key)
        return self.out(attend(query, key, value).transpose(0, 2, 1, 3).reshape(b, t, c))


def attend(
    query: Float[Array, "b n t d"], key: Float[Array, "b n t d"], value: Float[Array, "b n t d"]
) -> Float[Array, "b n t d"]:
    """Returns softmax(query key' / sqrt(d)) value, with the softmax in at least float32."""
    query = query * np.asarray(query.shape[-1] ** -0.5, query.dtype)
    wide = at_least_float32(jnp.zeros((), query.dtype)).dtype
    scores = jnp.einsum("bntd,bnsd->bnts", query, key, precision=HIGHEST, preferred_element_type=wide)
    weights = jax.nn.softmax(scores, axis=-1).astype(value.dtype)
    return jnp.einsum("bnts,bnsd->bntd", weights, value, precision=HIGHEST)


def gelu(x: Float[Array, "*shape"], kind: Gelu) -> Float[Array, "*shape"]:
    """Returns x times the normal distribution function of x (Hendrycks and Gimpel 2016), or an approximation of it.

    tanh: the approximation of the paper's authors. quick: x * sigmoid(1.702 x), as in OpenAI's CLIP.
    """
    if kind == "quick":
        return x * jax.nn.sigmoid(1.702 * x)
    if kind == "tanh":
        return jax.nn.gelu(x, approximate=True)
    return 0.5 * x * (1 + jax.lax.erf(x * np.asarray(math.sqrt(0.5), x.dtype)))


class Perceptron(nnx.Module):
    """Two dense layers with GELU between them."""

    def __init__(self, channels: int, hidden: int, kind: Gelu, dtype: DTypeLike, rng: np.random.Generator | None):
        self.up = Dense(channels, hidden, True, small_normal, dtype, rng)
        self.down = Dense(hidden, channels, True, small_normal, dtype, rng)
        self.kind: Gelu = kind

    def __call__(self, x: Float[Array, "b t c"]) -> Float[Array, "b t c"]:
        return self.down(gelu(self.up(x), self.kind))
