"""Linear CKA without its bias (Song et al. 2007; Nguyen et al. 2021): 0 on average for independent samples.

The unbiased HSIC drops the kernels' diagonals. With centred samples x_i, y_i, their norms and S_xy = sum_i x_i y_i^T,
the n x n formula of Song et al. becomes one of moments:

    n (n - 3) HSIC = |S_xy|^2 - n / (n - 2) sum_i |x_i|^2 |y_i|^2 + tr(S_xx) tr(S_yy) / ((n - 1) (n - 2))
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from tljax.similarity.arrays import DType, Similarity, evaluate
from tljax.similarity.moments import Cross
from tljax.similarity.views import Measurement, MomentPair, MomentView

LOWEST = -1.0
UNBIASED = True


def measure(pair: MomentPair) -> Measurement:
    """Returns HSIC(x, y) / sqrt(HSIC(x, x) HSIC(y, y)), each term unbiased."""
    x, y = pair.x, pair.y
    together, alone, other = _hsic(x, y, pair.cross), _hsic(x, x, x.own), _hsic(y, y, y.own)
    defined = (alone > 0) & (other > 0)
    value = together / jnp.sqrt(jnp.where(defined, alone, 1)) / jnp.sqrt(jnp.where(defined, other, 1))
    return pair.measurement(jnp.where(defined, jnp.clip(value, -1, 1), 0), x.n > 3, x.span, y.span)


def debiased_cka(x, y, *, dtype: DType = "float32") -> Similarity:
    """Returns the debiased linear CKA of `x` (n dx) and `y` (n dy), n > 3; -1..1, 0 on average for independent samples.

    Raises:
        UserError: the shapes do not match, n <= 3, an input is not finite, or an array is constant.
    """
    return evaluate(measure, x, y, dtype=dtype)


def _hsic(x: MomentView, y: MomentView, cross: Cross) -> Float[Array, ""]:
    """Returns the right-hand side of the formula above, divided by n^2 to stay in range."""
    n = jnp.maximum(x.n, 4)
    together = jnp.square(cross.second / n).sum()
    norms = cross.quartic / jnp.square(n)
    traces = jnp.trace(x.own.second) / n * (jnp.trace(y.own.second) / n)
    return together - n / (n - 2) * norms + traces / ((n - 1) * (n - 2))
