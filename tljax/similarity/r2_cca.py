"""The mean squared canonical correlation, R^2 CCA (Kornblith et al. 2019): its bias can be corrected."""

import jax.numpy as jnp
import numpy as np

from tljax.similarity.arrays import DType, Method, Similarity, evaluate
from tljax.similarity.views import Measurement, ViewPair

LIMIT = 0.25  # of the chance level, up to which intervals of corrected values cover the value for the population


def measure(pair: ViewPair) -> Measurement:
    """Returns the mean squared canonical correlation over the smaller rank. It needs no singular values."""
    x, y = pair.x.span, pair.y.span
    total = jnp.square(pair.between(x, y)).sum()
    return pair.canonical_measurement(jnp.minimum(pair.over_rank(total, x, y), 1), x, y)


def corrected(value: float, chance: float, rank1: int, rank2: int) -> float:
    """Returns the mean squared canonical correlation without the bias of few samples; at most 1, may be negative.

    To first order in 1/n, the expected value for Gaussian samples is

        value = R + c (1 - R) (1 - k R)

    where R is the value for the population, k is the smaller rank divided by the larger, and c is the level of
    unrelated samples. With one channel on one side, this is the adjusted R^2. `chance` is c, measured on mismatched
    pairs, so that it includes the effect of similar images of one patient. The correction is valid only if mismatched
    samples have nothing in common in the population. This is not so for positions of images: all images may have
    similar borders.

    Args:
        value, chance: of the samples and of mismatched pairs, 0..1.
        rank1, rank2: the number of directions used on each side.

    Returns:
        NaN if `chance` is `LIMIT` or more, because the equation is then too coarse.
    """
    narrow, wide = sorted((rank1, rank2))
    if narrow == 0 or not 0 <= chance < LIMIT:
        return float("nan")
    k = narrow / wide
    quadratic, linear, constant = chance * k, 1 - chance * (1 + k), chance - value
    root = np.sqrt(max(linear**2 - 4 * quadratic * constant, 0.0))
    return min(float(-2 * constant / (linear + root)), 1.0)


def r2_cca(x, y, *, method: Method = "moments", dtype: DType = "float32", cutoff: float | None = None) -> Similarity:
    """Returns the mean squared canonical correlation of `x` (n dx) and `y` (n dy); 0..1. See `cca.mean_cca`."""
    return evaluate(measure, x, y, method=method, dtype=dtype, cutoff=cutoff, channels="each")
