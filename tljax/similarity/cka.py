"""Linear CKA (Kornblith et al. 2019): the cosine between two linear kernels.

Orthogonal maps and scaling do not change it. With many channels and few samples, its value for unrelated samples is far
above 0; `debiased_cka` corrects this.
"""

import jax.numpy as jnp

from tljax.similarity.arrays import DType, Similarity, evaluate
from tljax.similarity.debiased_cka import debiased_cka
from tljax.similarity.views import Measurement, MomentPair

__all__ = ["debiased_cka", "linear_cka", "measure"]


def measure(pair: MomentPair) -> Measurement:
    """Returns |Sxy|^2 / (|Sxx| |Syy|), with Frobenius norms of the covariances."""
    together, x, y = (jnp.linalg.norm(cross.second / pair.x.n) for cross in (pair.cross, pair.x.own, pair.y.own))
    value = together / jnp.maximum(x, jnp.finfo(x.dtype).tiny) * (together / jnp.maximum(y, jnp.finfo(y.dtype).tiny))
    return pair.measurement(jnp.minimum(value, 1), pair.x.n > 1, pair.x.span, pair.y.span)


def linear_cka(x, y, *, dtype: DType = "float32") -> Similarity:
    """Returns the linear CKA of `x` (n dx) and `y` (n dy), n > 1; 0..1.

    Raises:
        UserError: the shapes do not match, an input is not finite, or an array is constant.
    """
    return evaluate(measure, x, y, dtype=dtype)
