"""SVCCA (Raghu et al. 2017): canonical correlations of the principal components that explain 99 % of each variance.

Orthogonal maps and scaling do not change it. Other invertible maps do, because the components depend on the variances
of the channels.
"""

from tljax.similarity.arrays import DType, Method, Similarity, evaluate
from tljax.similarity.views import Measurement, ViewPair


def measure(pair: ViewPair) -> Measurement:
    """Returns the mean canonical correlation over the smaller number of components."""
    x, y = pair.x.principal, pair.y.principal
    return pair.canonical_measurement(pair.over_rank(pair.correlations(x, y).sum(), x, y), x, y)


def svcca(x, y, *, method: Method = "moments", dtype: DType = "float32", cutoff: float | None = None) -> Similarity:
    """Returns the SVCCA of `x` (n dx) and `y` (n dy); 0..1. Options and errors: see `cca.mean_cca`."""
    return evaluate(measure, x, y, method=method, dtype=dtype, cutoff=cutoff)
