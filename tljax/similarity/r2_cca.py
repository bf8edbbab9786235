"""The mean squared canonical correlation, R^2 CCA (Kornblith et al. 2019): its level by chance has a closed form."""

import jax.numpy as jnp

from tljax.similarity.arrays import DType, Method, Similarity, evaluate
from tljax.similarity.views import Measurement, ViewPair


def measure(pair: ViewPair) -> Measurement:
    """Over the smaller rank. A sum of squares needs no singular values."""
    x, y = pair.x.span, pair.y.span
    total = jnp.square(pair.between(x, y)).sum()
    return pair.canonical_measurement(jnp.minimum(pair.over_rank(total, x, y), 1), x, y)


def r2_cca(x, y, *, method: Method = "moments", dtype: DType = "float32", cutoff: float | None = None) -> Similarity:
    """The mean squared canonical correlation of `x` (n dx) and `y` (n dy); 0..1. For the rest see `cca.mean_cca`."""
    return evaluate(measure, x, y, method=method, dtype=dtype, cutoff=cutoff, channels="each")
