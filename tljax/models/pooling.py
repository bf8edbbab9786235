"""Pooling written with slices.

The gradient of XLA's own pooling adds numbers in no fixed order on a GPU, and is slow on a CPU.
"""

from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def max_pool(x: Float[Array, "b h w c"], padding: int = 1) -> Float[Array, "b h2 w2 c"]:
    """Returns 3x3 maxima at stride 2.

    padding: 1 or 0 pixels on all sides. After a ReLU, padding with zeros (Keras) and with -inf (torch) is the same.
    """
    return _largest_of_three(_largest_of_three(x, 2, padding), 1, padding)


def _largest_of_three(x: Float[Array, "b h w c"], axis: int, padding: int) -> Float[Array, "b h2 w2 c"]:
    """Returns the maximum of three neighbours, at stride 2. The first of equal values has the gradient; NaN is kept."""
    count = (x.shape[axis] + 2 * padding - 3) // 2 + 1
    pads = [(0, 0)] * x.ndim
    pads[axis] = (padding, max(0, 2 * count + 1 - padding - x.shape[axis]))
    x = jnp.pad(x, pads)
    neighbours = [jax.lax.slice_in_dim(x, i, i + 2 * count - 1, stride=2, axis=axis) for i in range(3)]
    return reduce(lambda a, b: jnp.where((a >= b) | jnp.isnan(a), a, b), neighbours)


@jax.custom_vjp
def average_pool(x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
    """Returns 2x2 means at stride 2; an odd last row or column is left out, as PyTorch and Keras do."""
    b, h, w, c = x.shape
    x = x[:, : h // 2 * 2, : w // 2 * 2].reshape(b, h // 2, 2, w // 2, 2, c)
    return reduce(jnp.add, [x[:, :, i, :, j] for i in range(2) for j in range(2)]) / 4


def _average_pool_forward(x: Array) -> tuple[Array, Array]:
    return average_pool(x), x


def _average_pool_backward(x: Float[Array, "b h w c"], dy: Float[Array, "b h2 w2 c"]) -> tuple[Array]:
    b, h, w, c = dy.shape
    spread = jnp.broadcast_to(dy[:, :, None, :, None] / 4, (b, h, 2, w, 2, c)).reshape(b, 2 * h, 2 * w, c)
    return (jnp.pad(spread, ((0, 0), (0, x.shape[1] - 2 * h), (0, x.shape[2] - 2 * w), (0, 0))),)


average_pool.defvjp(_average_pool_forward, _average_pool_backward)


def _average(x: Float[Array, "b h w c"], count_padding: bool) -> Float[Array, "b h w c"]:
    """Returns 3x3 means at stride 1, in the size of x.

    count_padding: whether means at the border include the zeros of the padding, as by default in PyTorch. Otherwise
    they are over the positions within the image, as in Keras.
    """
    return _sum_of_neighbours(x) * _shares(x, count_padding)


average_of_neighbours = jax.custom_vjp(_average, nondiff_argnums=(1,))


def _average_forward(x: Array, count_padding: bool) -> tuple[Array, None]:
    return average_of_neighbours(x, count_padding), None


def _average_backward(count_padding: bool, _: None, dy: Float[Array, "b h w c"]) -> tuple[Float[Array, "b h w c"]]:
    return (_sum_of_neighbours(dy * _shares(dy, count_padding)),)


average_of_neighbours.defvjp(_average_forward, _average_backward)


def _sum_of_neighbours(x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    for axis in (1, 2):
        pads = [(0, 0)] * x.ndim
        pads[axis] = (1, 1)
        wide, size = jnp.pad(x, pads), x.shape[axis]
        x = reduce(jnp.add, [jax.lax.slice_in_dim(wide, i, i + size, axis=axis) for i in range(3)])
    return x


def _shares(x: Float[Array, "b h w c"], count_padding: bool) -> Float[Array, "1 h w 1"]:
    """Returns the weight of each position in the mean around a position."""
    rows, columns = (
        np.full(size, 3.0) if count_padding else np.convolve(np.ones(size), np.ones(3))[1:-1] for size in x.shape[1:3]
    )
    return jnp.asarray(1 / np.outer(rows, columns), x.dtype)[None, :, :, None]
