"""Published values, and values of other implementations."""

import numpy as np
import pytest

from tljax.similarity.cca import canonical_correlations, mean_cca
from tljax.similarity.cka import debiased_cka, linear_cka
from tljax.similarity.r2_cca import r2_cca


def test_mean_cca_equals_google_svcca():
    """The value of google/svcca in float64 on well-conditioned rectified features."""
    rng = np.random.RandomState(0)
    p = rng.randn(1000, 20)
    q = np.maximum(p @ rng.randn(20, 30), 0) + 0.5 * rng.randn(1000, 30)
    assert mean_cca(p, q) == pytest.approx(0.80904678, abs=1e-5)
    assert mean_cca(p, q, method="tsqr") == pytest.approx(0.80904678, abs=1e-5)
    assert mean_cca(p, q, dtype="float64") == pytest.approx(0.80904678, abs=1e-8)


def test_values_equal_the_notebook_of_kornblith_et_al():
    """Kornblith et al. 2019. The R^2 CCA of the notebook is uncentred: see test_similarity_moments."""
    rng = np.random.RandomState(1337)
    x = rng.randn(100, 10)
    y = rng.randn(100, 10) + x
    assert linear_cka(x, y) == pytest.approx(0.55761, abs=1e-5)
    assert debiased_cka(x, y) == pytest.approx(0.51346, abs=1e-5)
    assert r2_cca(x, y) == pytest.approx(0.545396, abs=1e-5)
    assert mean_cca(x, y) == pytest.approx(0.731014, abs=1e-5)


def test_canonical_correlations_equal_scikit_learn():
    from sklearn.cross_decomposition import CCA

    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 4))
    y = x @ rng.standard_normal((4, 3)) + rng.standard_normal((300, 3))
    x_scores, y_scores = CCA(n_components=3, max_iter=5000, tol=1e-12).fit_transform(x, y)
    oracle = [np.corrcoef(x_scores[:, k], y_scores[:, k])[0, 1] for k in range(3)]
    np.testing.assert_allclose(canonical_correlations(x, y), oracle, atol=1e-5)
