"""Canonical correlations and their mean (Hotelling 1936). Invertible affine maps of either side do not change them."""

import numpy as np
from jaxtyping import Array, Float

from tljax.similarity.arrays import DType, Method, Similarity, applied, checked, evaluate
from tljax.similarity.pwcca import pwcca
from tljax.similarity.svcca import svcca
from tljax.similarity.views import Measurement, ViewPair

__all__ = ["canonical_correlations", "mean_cca", "measure", "pwcca", "svcca"]


def measure(pair: ViewPair) -> Measurement:
    """Returns the mean canonical correlation over the smaller rank."""
    return _correlations_and_mean(pair)[1]


def mean_cca(x, y, *, method: Method = "moments", dtype: DType = "float32", cutoff: float | None = None) -> Similarity:
    """Returns the mean canonical correlation of `x` (n dx) and `y` (n dy) over the smaller rank; 0..1.

    Args:
        method: "moments", or "tsqr": a slower QR decomposition, for channels that are nearly redundant.
        dtype: "float32" or "float64", of all arithmetic.
        cutoff: directions are used if their eigenvalue in the correlation matrix is above this share of the largest;
            None: 1e-5 in float32 and 1e-12 in float64 for moments, much lower for "tsqr".

    Raises:
        UserError: the shapes do not match, n <= max(dx, dy), an input is not finite, or an array is constant.

    Warns if some correlations are 1 for any samples, because n <= rank1 + rank2; `Similarity.forced` counts them.
    """
    return evaluate(measure, x, y, method=method, dtype=dtype, cutoff=cutoff, channels="each")


def canonical_correlations(
    x, y, *, method: Method = "moments", dtype: DType = "float32", cutoff: float | None = None
) -> Float[np.ndarray, " rank"]:
    """Returns the canonical correlations of `x` (n dx) and `y` (n dy): as many as the smaller rank, descending, 0..1.

    Options and errors: see `mean_cca`.
    """
    values, measurement = applied(
        _correlations_and_mean, x, y, method=method, dtype=dtype, cutoff=cutoff, channels="each"
    )
    return values[: checked(measurement).rank]


def _correlations_and_mean(pair: ViewPair) -> tuple[Float[Array, " d"], Measurement]:
    x, y = pair.x.span, pair.y.span
    values = pair.correlations(x, y)
    return values, pair.canonical_measurement(pair.over_rank(values.sum(), x, y), x, y)
