"""Projection-weighted CCA (Morcos et al. 2018): each correlation counts by how much of one side its direction carries.

The weight of canonical variate h_i is sum_j |<h_i, x_j>| over that side's centred channels x_j.
"""

from typing import Literal

import jax.numpy as jnp

from tljax.similarity.arrays import DType, Method, Similarity, evaluate
from tljax.similarity.moments import product
from tljax.similarity.pair import Figure, Pair, counted

WeightedBy = Literal["x", "y", "smaller"]


def measure(pair: Pair, side: WeightedBy = "smaller") -> Figure:
    """Weighted by `side`; "smaller" is the side of fewer channels, x where they tie."""
    x, y = pair.x.span, pair.y.span
    if side == "smaller":
        side = "x" if pair.x.mean.size <= pair.y.mean.size else "y"
    between = pair.between(x, y)
    view, basis, between = (pair.x, x, between) if side == "x" else (pair.y, y, between.T)
    left, values, _ = jnp.linalg.svd(between, full_matrices=False)
    carried = jnp.abs(product(left.T, view.loadings(basis))).sum(1)
    weights = jnp.where(counted(values, x, y), carried, 0)
    value = (weights * jnp.clip(values, 0, 1)).sum() / jnp.maximum(weights.sum(), jnp.finfo(weights.dtype).tiny)
    return pair.figure(value, pair.more_samples_than_channels, x, y)


def pwcca(
    x,
    y,
    *,
    side: WeightedBy = "smaller",
    method: Method = "moments",
    dtype: DType = "float32",
    cutoff: float | None = None,
) -> Similarity:
    """PWCCA of `x` (n dx) and `y` (n dy), weighted by `side`; 0..1. For the rest see `cca.mean_cca`."""
    return evaluate(measure, x, y, side=side, method=method, dtype=dtype, cutoff=cutoff)
