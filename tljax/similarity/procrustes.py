"""Orthogonal Procrustes (Ding et al. 2021; Williams et al. 2021): how well a rotation maps one side to the other.

If both sides are centred and have Frobenius norm 1, the squared distance after the best rotation is 2 - 2 |X^T Y|_*.
The similarity is this nuclear norm |X^T Y|_*, which is 1 for equal sides. Orthogonal maps and scaling do not change it.
"""

import jax.numpy as jnp

from tljax.similarity.arrays import DType, Similarity, evaluate
from tljax.similarity.views import Measurement, MomentPair


def measure(pair: MomentPair) -> Measurement:
    """Returns |Sxy|_* / sqrt(tr(Sxx) tr(Syy)): 1 minus half the squared Procrustes distance."""
    x, y = (jnp.trace(view.own.second) for view in (pair.x, pair.y))
    constant = (x <= 0) | (y <= 0)
    scale = jnp.where(constant, 0, 1 / jnp.sqrt(jnp.where(constant, 1, x)) / jnp.sqrt(jnp.where(constant, 1, y)))
    value = jnp.linalg.svd(pair.cross.second * scale, compute_uv=False).sum()
    return pair.measurement(jnp.minimum(value, 1), pair.x.n > 1, pair.x.span, pair.y.span)


def procrustes(x, y, *, dtype: DType = "float32") -> Similarity:
    """Returns the Procrustes similarity s of `x` (n dx) and `y` (n dy), n > 1; 0..1. The squared distance is 2 - 2 s.

    Raises:
        UserError: the shapes do not match, an input is not finite, or an array is constant.
    """
    return evaluate(measure, x, y, dtype=dtype)
