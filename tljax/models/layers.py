"""The layers that backbones are made of, with the numerics this project needs.

Parameters and statistics stay float32 whatever the compute dtype.
"""

import math
from collections.abc import Callable
from functools import partial, reduce

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

Initialiser = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]  # NumPy's: nothing to compile per shape
Padding = int | tuple[tuple[int, int], tuple[int, int]]  # zeros on all sides, or ((top, bottom), (left, right))


def glorot_uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Of a kernel `... in out` (Glorot and Bengio 2010): Keras' default."""
    limit = math.sqrt(6 / (math.prod(shape[:-1]) + math.prod(shape[:-2]) * shape[-1]))
    return limit * (2 * rng.random(shape, np.float32) - 1)


def he_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Of a kernel `... in out`, scaled by its outputs (He et al. 2015): torchvision's choice."""
    return math.sqrt(2 / (math.prod(shape[:-2]) * shape[-1])) * rng.standard_normal(shape, np.float32)


def drawn(init: Initialiser, rng: np.random.Generator | None, shape: tuple[int, ...]) -> Array:
    """A kernel by `init`; zeros where `rng` is None."""
    return jnp.zeros(shape) if rng is None else jax.device_put(init(rng, shape))


def constant(value: float, channels: int) -> Array:
    return jax.device_put(np.full(channels, value, np.float32))


def at_least_float32(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    return x if jnp.finfo(x.dtype).bits >= 32 else x.astype(jnp.float32)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv_as_matmul(
    x: Float[Array, "b h w c"], kernel: Float[Array, "kh kw c o"], stride: int, padding: Padding
) -> Float[Array, "b h2 w2 o"]:
    """The convolution as one matrix product: XLA's own is several times slower on CPU, forward and backward.

    Its gradient is written out so that the windows, kh kw times the input, are made again on the way back instead of
    being kept for it, and so that the narrower factor of the kernel's gradient is the one that is transposed.
    """
    return _windows(x, kernel.shape, stride, padding) @ _flat(kernel)


def _windows(
    x: Float[Array, "b h w c"], kernel_shape: tuple[int, ...], stride: int, padding: Padding
) -> Float[Array, "b h2 w2 kkc"]:
    """What the kernel sees from each place."""
    kh, kw = kernel_shape[:2]
    x = jnp.pad(x, ((0, 0), *sides(padding), (0, 0))) if padding else x
    h, w = x.shape[1] - kh + 1, x.shape[2] - kw + 1
    return jnp.concatenate(
        [x[:, i : i + h : stride, j : j + w : stride] for i in range(kh) for j in range(kw)], axis=-1
    )


def sides(padding: Padding) -> tuple[tuple[int, int], tuple[int, int]]:
    """Returns ((top, bottom), (left, right))."""
    return ((padding, padding), (padding, padding)) if isinstance(padding, int) else padding


def _flat(kernel: Float[Array, "kh kw c o"]) -> Float[Array, "kkc o"]:
    return kernel.reshape(-1, kernel.shape[-1])


def _conv_forward(x: Array, kernel: Array, stride: int, padding: Padding) -> tuple[Array, tuple[Array, Array]]:
    return conv_as_matmul(x, kernel, stride, padding), (x, kernel)


def _conv_backward(
    stride: int, padding: Padding, saved: tuple[Array, Array], dy: Float[Array, "b h2 w2 o"]
) -> tuple[Float[Array, "b h w c"], Float[Array, "kh kw c o"]]:
    x, kernel = jax.lax.optimization_barrier(saved)  # else XLA finds the windows again, and keeps them after all
    windows, to_input = jax.vjp(lambda x: _windows(x, kernel.shape, stride, padding), x)
    (dx,) = to_input(dy @ _flat(kernel).T)
    seen, sent = windows.reshape(-1, windows.shape[-1]), _flat(dy)
    dkernel = seen.T @ sent if seen.shape[1] <= sent.shape[1] else (sent.T @ seen).T
    return dx, dkernel.reshape(kernel.shape)


conv_as_matmul.defvjp(_conv_forward, _conv_backward)


def convolve(
    x: Float[Array, "b h w c"], kernel: Float[Array, "kh kw c o"], stride: int, padding: Padding
) -> Float[Array, "b h2 w2 o"]:
    """Convolution by whatever is fast where it runs; float32 in full, which GPU and TPU would else round to less."""
    if jax.default_backend() == "cpu":
        return conv_as_matmul(x, kernel, stride, padding)
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), sides(padding), dimension_numbers=layout, precision=jax.lax.Precision.HIGHEST
    )


class Conv(nnx.Module):
    """A convolution of one stride. size: of the kernel, or its height and width.

    padding: None pads with zeros on all sides to keep the size (before the stride), for kernels of odd size.
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
    """Batch normalisation over all but the last axis, statistics in float32 (Ioffe and Szegedy 2015).

    One pass over the input: moments are taken about the running mean, which keeps the variance right in float32 where
    E[x^2] - E[x]^2 would cancel. The running variance is of the unbiased estimate, as PyTorch and TensorFlow keep it.
    `use_running_average` is set by `model.eval()` and `model.train()`.
    """

    def __init__(self, channels: int, momentum: float, epsilon: float, dtype: DTypeLike):
        self.scale, self.bias = nnx.Param(constant(1.0, channels)), nnx.Param(constant(0.0, channels))
        self.mean, self.var = nnx.BatchStat(constant(0.0, channels)), nnx.BatchStat(constant(1.0, channels))
        self.momentum, self.epsilon, self.dtype = momentum, epsilon, dtype
        self.use_running_average = False
        self.observed = False  # whether each batch's moments are kept as intermediates

    def __call__(self, x: Float[Array, "b h w c"], mask: Bool[Array, " b"] | None = None) -> Float[Array, "b h w c"]:
        """mask: the rows that count in the batch statistics; None counts all."""
        x = at_least_float32(x)
        if self.observed:
            self.seen_mean, self.seen_var = map(nnx.Intermediate, self._batch_moments(x, mask)[:2])
        if self.use_running_average:
            mean, var = self.mean[...], self.var[...]
        else:
            mean, var, count = self._batch_moments(x, mask)
            self.mean[...] = self._running(self.mean[...], mean)
            self.var[...] = self._running(self.var[...], var * (count / jnp.maximum(count - 1, 1)))
        factor = self.scale[...] * jax.lax.rsqrt(var + self.epsilon)
        y = (x - mean[None, None, None, :]) * factor[None, None, None, :] + self.bias[...][None, None, None, :]
        return y.astype(self.dtype)

    def _batch_moments(
        self, x: Float[Array, "b h w c"], mask: Bool[Array, " b"] | None
    ) -> tuple[Float[Array, " c"], Float[Array, " c"], Float[Array, ""]]:
        """Mean and (biased) variance, and over how many values."""
        shift = jax.lax.stop_gradient(self.mean[...])
        centred = x - shift[None, None, None, :]
        if mask is None:
            count = jnp.asarray(x.shape[0] * x.shape[1] * x.shape[2], x.dtype)
        else:
            centred = jnp.where(mask[:, None, None, None], centred, 0)
            count = jnp.sum(mask).astype(x.dtype) * (x.shape[1] * x.shape[2])
        first = jnp.sum(centred, axis=(0, 1, 2)) / count
        second = jnp.sum(jnp.square(centred), axis=(0, 1, 2)) / count
        return shift + first, jnp.maximum(second - jnp.square(first), 0), count

    def _running(self, old: Float[Array, " c"], new: Float[Array, " c"]) -> Float[Array, " c"]:
        return jax.lax.stop_gradient(self.momentum * old + (1 - self.momentum) * new)


class LayerNorm(nnx.Module):
    """Layer normalisation over the last axis, computed in float32 or better (Ba et al. 2016)."""

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
    """The classifier, in float32 or better whatever came before."""

    def __init__(self, inputs: int, outputs: int, rng: np.random.Generator | None):
        self.kernel = nnx.Param(drawn(glorot_uniform, rng, (inputs, outputs)))
        self.bias = nnx.Param(constant(0.0, outputs))

    def __call__(self, x: Float[Array, "b c"]) -> Float[Array, "b k"]:
        return jnp.matmul(x, self.kernel[...], precision=jax.lax.Precision.HIGHEST) + self.bias[...][None, :]


def max_pool(x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
    """3x3 maxima at stride 2, one pixel of padding: after a ReLU, Keras's zeros and torch's -inf are the same.

    Made of slices: the gradient of XLA's own pooling adds in no fixed order on a GPU, and is slow on CPU.
    """
    return _largest_of_three(_largest_of_three(x, axis=2), axis=1)


def _largest_of_three(x: Float[Array, "b h w c"], axis: int) -> Float[Array, "b h2 w2 c"]:
    """The largest of three neighbours, at stride 2. Of equals the first has the gradient, as in PyTorch; NaN stays."""
    size = x.shape[axis]
    half = -(-size // 2)
    pads = [(0, 0)] * x.ndim
    pads[axis] = (1, 2 * half - size)
    x = jnp.pad(x, pads)
    neighbours = [jax.lax.slice_in_dim(x, i, i + 2 * half - 1, stride=2, axis=axis) for i in range(3)]
    return reduce(lambda a, b: jnp.where((a >= b) | jnp.isnan(a), a, b), neighbours)
