"""Orthonormal bases of the span of a view's channels. Shapes are static: dropped directions are set to 0."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

CUTOFF = {"float32": 1e-5, "float64": 1e-12}  # of the largest eigenvalue; smaller ones may be rounding errors


class Basis(NamedTuple):
    """`d` directions in descending order of variance. The first `rank` are used; the others are 0."""

    map: Float[Array, "m d"]  # one direction per column, in terms of the channels or of a QR factor
    rank: Int[Array, ""]
    condition: Float[Array, ""]  # the largest eigenvalue divided by the smallest one kept
    cutoff: Float[Array, ""]  # directions up to this share of the largest eigenvalue are dropped


def masked(values: Float[Array, " d"], directions: Float[Array, "m d"], cutoff: float, explained: float = 1.0) -> Basis:
    """Returns the directions above the cut-off that are needed to explain this share of the variance.

    Args:
        values: eigenvalues of the covariance, in descending order.
        directions: one per column; each is divided by the square root of its eigenvalue.
        cutoff: a share of the largest eigenvalue.
        explained: the share of the variance.
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
    """Returns the factor that scales each channel to length 1, so that small channels are not cut off.

    The factor is 0 for a dead channel, which varies no more than the rounding error of its mean.

    Args:
        power: the sum of squares of each centred channel.
    """
    rounding = 4 * jnp.finfo(power.dtype).eps * jnp.abs(mean)
    alive = power > n * jnp.square(rounding)
    return jnp.where(alive, 1 / jnp.sqrt(jnp.where(alive, power, 1)), 0)


def eigen(second: Float[Array, "d d"], scale: Float[Array, " d"]) -> tuple[Float[Array, " d"], Float[Array, "d d"]]:
    """Returns eigenvalues of the scaled channels' covariance, descending, and eigenvectors in the unscaled channels."""
    values, vectors = jnp.linalg.eigh(second * scale[:, None] * scale[None, :])
    return jnp.maximum(values[::-1], 0), scale[:, None] * vectors[:, ::-1]
