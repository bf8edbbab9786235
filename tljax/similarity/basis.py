"""Orthonormal bases for what a view's channels span, with static shapes: what is cut off is masked, not sliced."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

CUTOFF = {"float32": 1e-5, "float64": 1e-12}  # of the largest eigenvalue; what lies below may be rounding alone


class Basis(NamedTuple):
    """`d` directions, falling in variance, of which the first `rank` count and the others are zero."""

    map: Float[Array, "m d"]  # a direction a column, told in the channels, or in the coordinates of a QR factor
    rank: Int[Array, ""]
    condition: Float[Array, ""]  # the largest over the smallest eigenvalue kept
    cutoff: Float[Array, ""]  # the share of the largest eigenvalue up to which directions are dropped


def masked(values: Float[Array, " d"], directions: Float[Array, "m d"], cutoff: float, explained: float = 1.0) -> Basis:
    """The directions over the cut-off that together just explain this share of the variance.

    Args:
        values: eigenvalues of the covariance, falling.
        directions: one a column; each is divided by the root of its eigenvalue.
    """
    kept = values > cutoff * values[0]
    if explained < 1:
        before = jnp.cumsum(values) - values
        kept &= before < explained * values.sum()
    smallest = jnp.where(kept, values, jnp.inf).min()
    return Basis(
        map=jnp.where(kept[None, :], directions / jnp.sqrt(jnp.where(kept, values, 1))[None, :], 0),
        rank=kept.sum(),
        condition=jnp.where(kept.any(), values[0] / smallest, 1),
        cutoff=jnp.asarray(cutoff, values.dtype),
    )


def unit_length(power: Float[Array, " d"], mean: Float[Array, " d"], n: Float[Array, ""]) -> Float[Array, " d"]:
    """The scale that gives every channel length 1, so that the cut-off drops redundant channels and not quiet ones.

    0 for a dead channel: one that moves no more than the rounding of its mean. `power`: its sum of squares, centred.
    """
    rounding = 4 * jnp.finfo(power.dtype).eps * jnp.abs(mean)
    alive = power > n * jnp.square(rounding)
    return jnp.where(alive, 1 / jnp.sqrt(jnp.where(alive, power, 1)), 0)


def eigen(second: Float[Array, "d d"], scale: Float[Array, " d"]) -> tuple[Float[Array, " d"], Float[Array, "d d"]]:
    """Eigenvalues, falling, of the scaled channels' covariance, and its eigenvectors told in the unscaled channels."""
    values, vectors = jnp.linalg.eigh(second * scale[:, None] * scale[None, :])
    return jnp.maximum(values[::-1], 0), scale[:, None] * vectors[:, ::-1]
