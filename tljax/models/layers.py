"""The layers of backbones, with the numerics that this project needs.

Parameters and statistics are float32 for every data type of the computation.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from tljax.models.convolution import Padding, convolve
from tljax.models.precision import at_least_float32

Initialiser = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]  # by NumPy, so that no shape is compiled


def glorot_uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draws a kernel `... in out` from Keras' default distribution (Glorot and Bengio 2010)."""
    limit = math.sqrt(6 / (math.prod(shape[:-1]) + math.prod(shape[:-2]) * shape[-1]))
    return limit * (2 * rng.random(shape, np.float32) - 1)


def he_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draws a kernel `... in out`, scaled by the number of outputs, as torchvision does (He et al. 2015)."""
    return math.sqrt(2 / (math.prod(shape[:-2]) * shape[-1])) * rng.standard_normal(shape, np.float32)


def drawn(init: Initialiser, rng: np.random.Generator | None, shape: tuple[int, ...]) -> Array:
    """Returns a kernel drawn by `init`; zeros if `rng` is None."""
    return jnp.zeros(shape) if rng is None else jax.device_put(init(rng, shape))


def constant(value: float, channels: int) -> Array:
    return jax.device_put(np.full(channels, value, np.float32))


class Conv(nnx.Module):
    """A convolution. size: that of the kernel, or its height and width. stride: the same along both axes.

    padding: None pads with zeros on all sides so that the size is kept (before the stride), for kernels of odd size.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int | tuple[int, int],
        stride: int,
        bias: bool,
        init: Initialiser,
        dtype: DTypeLike,
        rng: np.random.Generator | None,
        padding: Padding | None = None,
    ):
        height, width = (size, size) if isinstance(size, int) else size
        self.kernel = nnx.Param(drawn(init, rng, (height, width, inputs, outputs)))
        self.bias = nnx.Param(constant(0.0, outputs)) if bias else None
        above, left = height // 2, width // 2
        keeping: Padding = above if height == width else ((above, above), (left, left))
        self.stride, self.padding, self.dtype = stride, keeping if padding is None else padding, dtype

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 o"]:
        y = convolve(x.astype(self.dtype), self.kernel[...].astype(self.dtype), self.stride, self.padding)
        return y if self.bias is None else y + self.bias[...].astype(self.dtype)[None, None, None, :]


class BatchNorm(nnx.Module):
    """Batch normalisation over all axes except the last, with statistics in float32 (Ioffe and Szegedy 2015).

    The running variance is that of the unbiased estimate, as in PyTorch and TensorFlow. `model.eval()` and
    `model.train()` set `use_running_average`. has_scale: False leaves out the scale, like `scale=False` in Keras.
    """

    def __init__(self, channels: int, momentum: float, epsilon: float, dtype: DTypeLike, has_scale: bool = True):
        self.scale = nnx.Param(constant(1.0, channels)) if has_scale else None
        self.bias = nnx.Param(constant(0.0, channels))
        self.mean, self.var = nnx.BatchStat(constant(0.0, channels)), nnx.BatchStat(constant(1.0, channels))
        self.momentum, self.epsilon, self.dtype = momentum, epsilon, dtype
        self.use_running_average = False
        self.observed = False  # whether the moments of each batch are saved as intermediates

    def __call__(self, x: Float[Array, "b h w c"], mask: Bool[Array, " b"] | None = None) -> Float[Array, "b h w c"]:
        """Returns the normalised x. mask: the rows that count in the batch statistics; None: all rows."""
        return self.normalise(x, mask)[0]

    def normalise(
        self,
        x: Float[Array, "b h w c"],
        mask: Bool[Array, " b"] | None,
        known: tuple[Float[Array, " c1"], Float[Array, " c1"]] | None = None,
    ) -> tuple[Float[Array, "b h w c"], tuple[Float[Array, " c"], Float[Array, " c"]] | None]:
        """Returns the normalised x, and means and variances of the batch; None if the running ones were used.

        mask: the rows that count. known: means and variances of the first channels, which another BatchNorm has
        computed.
        """
        x = at_least_float32(x)
        if self.observed:
            places = jnp.asarray(x.shape[0] * x.shape[1] * x.shape[2], x.dtype)
            self.seen_mean, self.seen_var = map(nnx.Intermediate, _moments(x, self.mean[...], None, places))
        if self.use_running_average:
            mean, var, moments = self.mean[...], self.var[...], None
        else:
            count = (x.shape[0] if mask is None else jnp.sum(mask).astype(x.dtype)) * (x.shape[1] * x.shape[2])
            count = jnp.asarray(count, x.dtype)
            first = 0 if known is None else known[0].shape[0]
            shift = jax.lax.stop_gradient(self.mean[...])
            moments = _moments(x[..., first:], shift[first:], mask, count)
            if known is not None:
                moments = jnp.concatenate([known[0], moments[0]]), jnp.concatenate([known[1], moments[1]])
            mean, var = moments
            self.mean[...] = self._running(self.mean[...], mean)
            self.var[...] = self._running(self.var[...], var * (count / jnp.maximum(count - 1, 1)))
        factor = jax.lax.rsqrt(var + self.epsilon)
        factor = factor if self.scale is None else factor * self.scale[...]
        return _affine(x, mean, factor, self.bias[...]).astype(self.dtype), moments

    def _running(self, old: Float[Array, " c"], new: Float[Array, " c"]) -> Float[Array, " c"]:
        return jax.lax.stop_gradient(self.momentum * old + (1 - self.momentum) * new)


# The gradients of the two halves of BatchNorm are written out. Those that JAX derives keep more arrays of the size of x
# in memory, and add terms that cancel.


@jax.custom_vjp
def _moments(
    x: Float[Array, "b h w c"], shift: Float[Array, " c"], mask: Bool[Array, " b"] | None, count: Float[Array, ""]
) -> tuple[Float[Array, " c"], Float[Array, " c"]]:
    """Returns mean and (biased) variance over the rows of `mask`, in one pass.

    The moments are taken about `shift`, the running mean. This keeps the variance accurate in float32, where
    E[x^2] - E[x]^2 would suffer from cancellation.
    """
    centred = x - shift[None, None, None, :]
    centred = centred if mask is None else jnp.where(mask[:, None, None, None], centred, 0)
    first = jnp.sum(centred, axis=(0, 1, 2)) / count
    second = jnp.sum(jnp.square(centred), axis=(0, 1, 2)) / count
    return shift + first, jnp.maximum(second - jnp.square(first), 0)


def _moments_forward(x: Array, shift: Array, mask: Array | None, count: Array) -> tuple[tuple[Array, Array], tuple]:
    mean, var = _moments(x, shift, mask, count)
    return (mean, var), (x, mean, mask, count)


def _moments_backward(saved: tuple, gradient: tuple[Float[Array, " c"], Float[Array, " c"]]) -> tuple:
    x, mean, mask, count = saved
    of_mean, of_var = (part / count for part in gradient)
    dx = (x - mean[None, None, None, :]) * (2 * of_var)[None, None, None, :] + of_mean[None, None, None, :]
    return dx if mask is None else jnp.where(mask[:, None, None, None], dx, 0), None, None, None


_moments.defvjp(_moments_forward, _moments_backward)


@jax.custom_vjp
def _affine(
    x: Float[Array, "b h w c"], mean: Float[Array, " c"], factor: Float[Array, " c"], bias: Float[Array, " c"]
) -> Float[Array, "b h w c"]:
    return (x - mean[None, None, None, :]) * factor[None, None, None, :] + bias[None, None, None, :]


def _affine_forward(x: Array, mean: Array, factor: Array, bias: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    return _affine(x, mean, factor, bias), (x, mean, factor)


def _affine_backward(saved: tuple[Array, Array, Array], dy: Float[Array, "b h w c"]) -> tuple:
    x, mean, factor = saved
    dbias = jnp.sum(dy, axis=(0, 1, 2))
    dfactor = jnp.sum(dy * (x - mean[None, None, None, :]), axis=(0, 1, 2))
    return dy * factor[None, None, None, :], -factor * dbias, dfactor, dbias


_affine.defvjp(_affine_forward, _affine_backward)


class LayerNorm(nnx.Module):
    """Layer normalisation over the last axis, computed in at least float32 (Ba et al. 2016)."""

    def __init__(self, channels: int, epsilon: float, dtype: DTypeLike):
        self.scale, self.bias = nnx.Param(constant(1.0, channels)), nnx.Param(constant(0.0, channels))
        self.epsilon, self.dtype = epsilon, dtype

    def __call__(self, x: Float[Array, "*positions c"]) -> Float[Array, "*positions c"]:
        x = at_least_float32(x)
        shape = (1,) * (x.ndim - 1) + (-1,)
        centred = x - jnp.mean(x, axis=-1, keepdims=True)
        factor = jax.lax.rsqrt(jnp.mean(jnp.square(centred), axis=-1, keepdims=True) + self.epsilon)
        y = centred * factor * self.scale[...].reshape(shape) + self.bias[...].reshape(shape)
        return y.astype(self.dtype)


class Dense(nnx.Module):
    """A linear map of the last axis."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        bias: bool,
        init: Initialiser,
        dtype: DTypeLike,
        rng: np.random.Generator | None,
    ):
        self.kernel = nnx.Param(drawn(init, rng, (inputs, outputs)))
        self.bias = nnx.Param(constant(0.0, outputs)) if bias else None
        self.dtype = dtype

    def __call__(self, x: Float[Array, "*positions c"]) -> Float[Array, "*positions o"]:
        kernel = self.kernel[...].astype(self.dtype)
        y = jnp.matmul(x.astype(self.dtype), kernel, precision=jax.lax.Precision.HIGHEST)
        return y if self.bias is None else y + self.bias[...].astype(self.dtype).reshape((1,) * (y.ndim - 1) + (-1,))


class Linear(nnx.Module):
    """The classifier, always computed in at least float32."""

    def __init__(self, inputs: int, outputs: int, rng: np.random.Generator | None):
        self.kernel = nnx.Param(drawn(glorot_uniform, rng, (inputs, outputs)))
        self.bias = nnx.Param(constant(0.0, outputs))

    def __call__(self, x: Float[Array, "b c"]) -> Float[Array, "b k"]:
        return jnp.matmul(x, self.kernel[...], precision=jax.lax.Precision.HIGHEST) + self.bias[...][None, :]
