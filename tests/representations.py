"""Computes similarities of two related arrays, for tests of similarity measures."""

import numpy as np

from tljax.similarity import arrays, measures

ALL = sorted(measures())
CANONICAL = {"cca", "pwcca", "r2_cca", "svcca"}  # those made of canonical correlations
AFFINE_INVARIANT = {"cca", "pwcca", "r2_cca"}  # pwcca on the side that does not weight


def similarity(name: str, x, y, **options) -> arrays.Similarity:
    """Returns the value of the measure with this name."""
    return arrays.evaluate(measures()[name], x, y, **options)


def features(seed: int, n: int = 200, dx: int = 5, dy: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Two rectified random maps of a shared signal: related but not equal, not centred, with uneven scales."""
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal((n, 5))
    scale = np.exp(rng.uniform(-1, 1, dx))
    x = np.maximum(signal @ rng.standard_normal((5, dx)) + 0.3 * rng.standard_normal((n, dx)), 0) * scale
    y = np.maximum(signal @ rng.standard_normal((5, dy)) + 0.3 * rng.standard_normal((n, dy)), 0)
    return x, y
