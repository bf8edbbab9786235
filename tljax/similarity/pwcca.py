"""Projection-weighted CCA (Morcos et al. 2018): correlations weighted by how much of one side they explain.

The weight of canonical variate h_i is sum_j |<h_i, x_j>| over that side's centred channels x_j.
"""

from typing import Literal, get_args

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from tljax.core.errors import require_known
from tljax.similarity.arrays import DType, Method, Similarity, evaluate
from tljax.similarity.basis import Basis
from tljax.similarity.moments import product
from tljax.similarity.views import Measurement, View, ViewPair, counted

WeightedBy = Literal["x", "y", "smaller"]


def measure(pair: ViewPair, side: WeightedBy = "smaller") -> Measurement:
    """Returns the weighted mean of the canonical correlations.

    Args:
        side: the side that gives the weights. "smaller": that with fewer channels; the mean of both if they are equal.
    """
    x, y = pair.x.span, pair.y.span
    left, values, right = jnp.linalg.svd(pair.between(x, y), full_matrices=False)
    values = jnp.where(counted(values, x, y), jnp.clip(values, 0, 1), 0)
    if side == "smaller":
        dx, dy = pair.x.mean.size, pair.y.mean.size
        sides = ("x", "y") if dx == dy else ("x",) if dx < dy else ("y",)
    else:
        sides = (side,)
    by = {"x": (pair.x, x, left.T), "y": (pair.y, y, right)}
    weighted = jnp.stack([_weighted(values, counted(values, x, y), *by[each]) for each in sides])
    return pair.canonical_measurement(weighted.mean(), x, y)


def _weighted(
    values: Float[Array, " d"], counts: Bool[Array, " d"], view: View, basis: Basis, variates: Float[Array, "d k"]
) -> Float[Array, ""]:
    """Returns the mean of the correlations, weighted by how much of this view's channels the variates explain."""
    weights = jnp.where(counts, jnp.abs(product(variates, view.loadings(basis))).sum(1), 0)
    return (weights * values).sum() / jnp.maximum(weights.sum(), jnp.finfo(weights.dtype).tiny)


def pwcca(
    x,
    y,
    *,
    side: WeightedBy = "smaller",
    method: Method = "moments",
    dtype: DType = "float32",
    cutoff: float | None = None,
) -> Similarity:
    """Returns the PWCCA of `x` (n dx) and `y` (n dy), weighted by `side`; 0..1. Options: see `cca.mean_cca`."""
    require_known("side", side, get_args(WeightedBy))
    return evaluate(measure, x, y, side=side, method=method, dtype=dtype, cutoff=cutoff, channels="together, bounded")
