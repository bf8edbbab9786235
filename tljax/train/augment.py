"""Augments images by random affine warps on the device.

This is Keras' ImageDataGenerator with the paper's ranges: one bilinear warp that combines rotation, shift, shear, zoom
and flip; edges are filled with the nearest pixel.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, UInt8

ROTATION = 10.0  # degrees, either way
SHIFT = 0.1  # of width and of height, either way
SHEAR = 0.1  # degrees, either way: Keras takes shear_range in degrees
ZOOM = 0.1  # about 1, independently per axis


def affine_matrix(
    theta: Float[Array, " b"],
    shift_x: Float[Array, " b"],
    shift_y: Float[Array, " b"],
    shear: Float[Array, " b"],
    zoom_x: Float[Array, " b"],
    zoom_y: Float[Array, " b"],
) -> Float[Array, "b 2 3"]:
    """Returns matrices that map an output pixel (x, y), measured from the centre, to the point of the input it shows.

    theta, shear: degrees; shift_x, shift_y: pixels. Rotation times shift times shear times zoom, as in Keras's
    apply_affine_transform.
    """
    theta, shear = jnp.deg2rad(theta), jnp.deg2rad(shear)
    cos, sin = jnp.cos(theta), jnp.sin(theta)
    x_row = [cos * zoom_x, (-cos * jnp.sin(shear) - sin * jnp.cos(shear)) * zoom_y, cos * shift_x - sin * shift_y]
    y_row = [sin * zoom_x, (-sin * jnp.sin(shear) + cos * jnp.cos(shear)) * zoom_y, sin * shift_x + cos * shift_y]
    return jnp.stack([jnp.stack(x_row, axis=-1), jnp.stack(y_row, axis=-1)], axis=-2)


@jax.vmap  # image by image: each device then gathers from its own images only
def warp(image: UInt8[Array, "h w c"], matrix: Float[Array, "2 3"]) -> Float[Array, "h w c"]:
    """Warps each image of a batch by its matrix, bilinearly; pixels outside are taken from the nearest edge.

    Takes images `b h w c` with values 0..255, and matrices `b 2 3`.
    """
    h, w = image.shape[:2]
    y, x = jnp.meshgrid(jnp.arange(h, dtype=jnp.float32), jnp.arange(w, dtype=jnp.float32), indexing="ij")
    grid = jnp.stack([x - (w - 1) / 2, y - (h - 1) / 2, jnp.ones_like(x)], axis=-1)
    source = jnp.einsum("ij,hwj->ihw", matrix, grid, precision=jax.lax.Precision.HIGHEST)
    source_x = jnp.clip(source[0] + (w - 1) / 2, 0, w - 1)
    source_y = jnp.clip(source[1] + (h - 1) / 2, 0, h - 1)
    floor_x, floor_y = jnp.floor(source_x), jnp.floor(source_y)
    weight_x, weight_y = (source_x - floor_x)[..., None], (source_y - floor_y)[..., None]
    left, top = floor_x.astype(jnp.int32), floor_y.astype(jnp.int32)
    right, bottom = jnp.minimum(left + 1, w - 1), jnp.minimum(top + 1, h - 1)

    def pixel(y: Array, x: Array) -> Array:
        return image[y, x].astype(jnp.float32)

    upper = pixel(top, left) * (1 - weight_x) + pixel(top, right) * weight_x
    lower = pixel(bottom, left) * (1 - weight_x) + pixel(bottom, right) * weight_x
    return upper * (1 - weight_y) + lower * weight_y


def random_matrices(key: Key[Array, ""], count: int, size: tuple[int, int], flip: bool) -> Float[Array, "b 2 3"]:
    """Draws matrices from the paper's ranges for images of `size` (height, width); half are mirrored if `flip`."""
    h, w = size

    def uniform(key: Array, low: float, high: float) -> Array:
        return jax.random.uniform(key, (count,), minval=low, maxval=high)

    keys = jax.random.split(key, 7)
    matrices = affine_matrix(
        uniform(keys[0], -ROTATION, ROTATION),
        w * uniform(keys[1], -SHIFT, SHIFT),
        h * uniform(keys[2], -SHIFT, SHIFT),
        uniform(keys[3], -SHEAR, SHEAR),
        uniform(keys[4], 1 - ZOOM, 1 + ZOOM),
        uniform(keys[5], 1 - ZOOM, 1 + ZOOM),
    )
    if not flip:
        return matrices
    mirrored = jax.random.bernoulli(keys[6], 0.5, (count,))
    signs = jnp.where(mirrored[:, None], jnp.array([-1.0, 1.0, 1.0])[None], 1.0)
    return matrices * signs[:, None, :]  # the output's x is mirrored before everything else
