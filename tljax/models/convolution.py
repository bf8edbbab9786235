"""Convolution and depthwise convolution, forward and backward, in forms that XLA runs fast.

XLA's CPU compiler has fast code for the plain convolution of `b h w c` by `kh kw c o`. The gradients that JAX derives
have other layouts, for which there is no fast code inside a loop (`lax.scan`): there they take twenty times as long.
Here both gradients are written as plain convolutions.
"""

import math
from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from tljax.models.precision import at_least_float32

Padding = int | tuple[tuple[int, int], tuple[int, int]]  # zeros on all sides, or ((top, bottom), (left, right))
Sides = tuple[tuple[int, int], tuple[int, int]]


def sides(padding: Padding) -> Sides:
    """Returns ((top, bottom), (left, right))."""
    return ((padding, padding), (padding, padding)) if isinstance(padding, int) else padding


def convolve(
    x: Float[Array, "b h w c"], kernel: Float[Array, "kh kw c o"], stride: int, padding: Padding
) -> Float[Array, "b h2 w2 o"]:
    """Convolves in the form that is fast on the device, with full float32 precision also on GPU and TPU."""
    if jax.default_backend() != "cpu":
        return _plain(x, kernel, stride, sides(padding))
    if padding == 0 and kernel.shape[0] == kernel.shape[1] <= stride:
        x = _patches(x, kernel.shape[0], stride)
        y = pointwise(x.reshape(-1, x.shape[-1]), kernel.reshape(-1, kernel.shape[-1]))
        return y.reshape(*x.shape[:-1], -1)
    return convolve_on_cpu(x, kernel, stride, sides(padding))


def _patches(x: Float[Array, "b h w c"], size: int, stride: int) -> Float[Array, "b h2 w2 kkc"]:
    """Returns the input of a square kernel at each position, for kernels that do not overlap."""
    if size == 1:
        return x[:, ::stride, ::stride]
    b, h, w, c = x.shape
    rows, columns = (h - size) // stride + 1, (w - size) // stride + 1
    x = jnp.pad(x, ((0, 0), (0, max(0, rows * stride - h)), (0, max(0, columns * stride - w)), (0, 0)))
    x = x[:, : rows * stride, : columns * stride].reshape(b, rows, stride, columns, stride, c)[:, :, :size, :, :size]
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(b, rows, columns, -1)


def _plain(
    x: Float[Array, "b h w c"],
    kernel: Float[Array, "kh kw c o"],
    stride: int,
    pads: Sides,
    spread: tuple[int, int] = (1, 1),
) -> Float[Array, "b h2 w2 o"]:
    """Convolves with XLA. spread: dilation of x, and of the kernel."""
    if math.prod(kernel.shape[:2]) > math.prod(x.shape[1:3]):  # XLA would exchange the two, which is slow on CPU
        within = ((0, 0, 0), *((low, high, spread[0] - 1) for low, high in pads), (0, 0, 0))
        x = jax.lax.optimization_barrier(jax.lax.pad(x, jnp.zeros((), x.dtype), within))
        pads, spread = ((0, 0), (0, 0)), (1, spread[1])
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        pads,
        lhs_dilation=(spread[0], spread[0]),
        rhs_dilation=(spread[1], spread[1]),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=jax.lax.Precision.HIGHEST,
    )


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def convolve_on_cpu(
    x: Float[Array, "b h w c"], kernel: Float[Array, "kh kw c o"], stride: int, pads: Sides
) -> Float[Array, "b h2 w2 o"]:
    """Convolves, with gradients that are plain convolutions as well."""
    return _plain(x, kernel, stride, pads)


def _forward(x: Array, kernel: Array, stride: int, pads: Sides) -> tuple[Array, tuple[Array, Array]]:
    return convolve_on_cpu(x, kernel, stride, pads), (x, kernel)


def _backward(
    stride: int, pads: Sides, saved: tuple[Array, Array], dy: Float[Array, "b h2 w2 o"]
) -> tuple[Float[Array, "b h w c"], Float[Array, "kh kw c o"]]:
    """Returns the gradients: dy convolved with the mirrored kernel for x, and x convolved with dy for the kernel.

    If there are fewer positions than output channels, the windows of x are smaller than the kernel, so the gradient of
    the kernel is their matrix product with dy.
    """
    x, kernel = saved
    extents: Any = list(zip(kernel.shape[:2], x.shape[1:3], pads, strict=True))
    unseen = [(size + sum(pad) - k) % stride for k, size, pad in extents]  # number of last pixels that no window covers
    shifted = zip(extents, unseen, strict=True)
    to_x: Any = tuple((k - 1 - pad[0], k - 1 - pad[1] + rest) for (k, _, pad), rest in shifted)
    dx = _plain(dy, kernel[::-1, ::-1].transpose(0, 1, 3, 2), 1, to_x, spread=(stride, 1))
    if math.prod(dy.shape[:3]) <= dy.shape[3]:
        size, places = (kernel.shape[0], kernel.shape[1]), (dy.shape[1], dy.shape[2])
        seen = _windows(x, size, places, stride, pads)
        return dx, (seen.reshape(-1, seen.shape[-1]).T @ dy.reshape(-1, dy.shape[-1])).reshape(kernel.shape)
    to_kernel: Any = tuple((pad[0], pad[1] - rest) for pad, rest in zip(pads, unseen, strict=True))
    dkernel = _plain(x.transpose(3, 1, 2, 0), dy.transpose(1, 2, 0, 3), 1, to_kernel, spread=(1, stride))
    return dx, dkernel.transpose(1, 2, 0, 3)


convolve_on_cpu.defvjp(_forward, _backward)


def _windows(
    x: Float[Array, "b h w c"], size: tuple[int, int], places: tuple[int, int], stride: int, pads: Sides
) -> Float[Array, "b h2 w2 kkc"]:
    """Returns the input of a kernel of this size at each position."""
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    h, w = (stride * (count - 1) + 1 for count in places)
    taps = [(i, j) for i in range(size[0]) for j in range(size[1])]
    return jnp.concatenate([x[:, i : i + h : stride, j : j + w : stride] for i, j in taps], axis=-1)


@jax.custom_vjp
def pointwise(x: Float[Array, "n c"], kernel: Float[Array, "c o"]) -> Float[Array, "n o"]:
    """Returns x @ kernel. For the gradient of the kernel, the narrower factor is transposed, which is faster."""
    return x @ kernel


def _pointwise_forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return pointwise(x, kernel), (x, kernel)


def _pointwise_backward(
    saved: tuple[Array, Array], dy: Float[Array, "n o"]
) -> tuple[Float[Array, "n c"], Float[Array, "c o"]]:
    x, kernel = saved
    return dy @ kernel.T, x.T @ dy if x.shape[1] <= dy.shape[1] else (dy.T @ x).T


pointwise.defvjp(_pointwise_forward, _pointwise_backward)


def depthwise(x: Float[Array, "b h w c"], kernel: Float[Array, "kh kw 1 c"]) -> Float[Array, "b h w c"]:
    """Convolves each channel with its own kernel of odd size, at stride 1, with zero padding that keeps the size.

    On a CPU, it is computed as a sum of shifted products, which is many times as fast as XLA's own form.
    """
    if jax.default_backend() == "cpu":
        return depthwise_on_cpu(x, kernel)
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (1, 1),
        [(side // 2, side // 2) for side in kernel.shape[:2]],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
        precision=jax.lax.Precision.HIGHEST,
    )


@jax.custom_vjp
def depthwise_on_cpu(x: Float[Array, "b h w c"], kernel: Float[Array, "kh kw 1 c"]) -> Float[Array, "b h w c"]:
    """Computes the depthwise convolution as a sum of shifted products, added in at least float32.

    Each row of the kernel is one loop over the image. The barriers keep XLA from repeating this work for every use of
    the result.
    """
    padded, kernel = _around(at_least_float32(x), kernel), at_least_float32(kernel)
    (kh, kw), (h, w) = kernel.shape[:2], x.shape[1:3]
    y = jnp.zeros_like(x, dtype=padded.dtype)
    for i in range(kh):
        row = [padded[:, i : i + h, j : j + w] * kernel[i, j, 0][None, None, None, :] for j in range(kw)]
        y = jax.lax.optimization_barrier(reduce(jnp.add, row, y))
    return y.astype(x.dtype)


def _depthwise_forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return depthwise_on_cpu(x, kernel), (x, kernel)


def _depthwise_backward(
    saved: tuple[Array, Array], dy: Float[Array, "b h w c"]
) -> tuple[Float[Array, "b h w c"], Float[Array, "kh kw 1 c"]]:
    """Returns the gradients: for x, dy convolved with the mirrored kernel.

    For the kernel, products are first added over the height, one row of the kernel at a time, so that the sums stay in
    registers.
    """
    x, kernel = saved
    padded, wide, (kh, kw), (h, w) = (
        _around(at_least_float32(x), kernel),
        at_least_float32(dy),
        kernel.shape[:2],
        x.shape[1:3],
    )

    def of_row(i: Array) -> Float[Array, "kw c"]:
        seen = jax.lax.dynamic_slice_in_dim(padded, i, h, axis=1)
        sums = [reduce(jnp.add, [seen[:, y, j : j + w] * wide[:, y] for y in range(h)]) for j in range(kw)]
        return jnp.sum(jnp.stack(sums), axis=(1, 2))

    dkernel = jax.lax.map(of_row, jnp.arange(kh))
    return depthwise_on_cpu(dy, kernel[::-1, ::-1]), dkernel[:, :, None].astype(kernel.dtype)


depthwise_on_cpu.defvjp(_depthwise_forward, _depthwise_backward)


def _around(x: Float[Array, "b h w c"], kernel: Array) -> Float[Array, "b h2 w2 c"]:
    """Pads with zeros by half the size of the kernel."""
    above, left = (side // 2 for side in kernel.shape[:2])
    return jnp.pad(x, ((0, 0), (above, above), (left, left), (0, 0)))
