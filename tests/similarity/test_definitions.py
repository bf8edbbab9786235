"""Each measure against its definition, other implementations, and known populations; and its numerical precision."""

import numpy as np
import pytest
from representations import CANONICAL, features, similarity

from tljax.similarity import r2_cca
from tljax.similarity.cca import canonical_correlations, mean_cca, pwcca, svcca
from tljax.similarity.cka import debiased_cka, linear_cka
from tljax.similarity.independent import level
from tljax.similarity.procrustes import procrustes


def test_each_measure_equals_its_definition_on_samples():
    x, y = features(13, dx=6, dy=4)
    cx, cy = x - x.mean(0), y - y.mean(0)
    qx, _ = np.linalg.qr(cx)
    qy, _ = np.linalg.qr(cy)
    left, rho, right = np.linalg.svd(qx.T @ qy, full_matrices=False)
    np.testing.assert_allclose(canonical_correlations(x, y), rho, atol=2e-6)
    assert mean_cca(x, y) == pytest.approx(rho.mean(), abs=1e-6)
    assert r2_cca.r2_cca(x, y) == pytest.approx(np.square(rho).mean(), abs=1e-6)

    for side, variates, channels in (("x", qx @ left, cx), ("y", qy @ right.T, cy), ("smaller", qy @ right.T, cy)):
        weights = np.abs(variates.T @ channels).sum(1)
        assert pwcca(x, y, side=side) == pytest.approx(weights @ rho / weights.sum(), abs=1e-6)

    def components(centred):
        u, s, _ = np.linalg.svd(centred, full_matrices=False)
        return u[:, : np.searchsorted(np.cumsum(s**2) / np.sum(s**2), 0.99) + 1]

    ux, uy = components(cx), components(cy)
    found = svcca(x, y)
    assert (found.rank1, found.rank2) == (ux.shape[1], uy.shape[1])
    assert found == pytest.approx(np.linalg.svd(ux.T @ uy, compute_uv=False).mean(), abs=1e-6)

    cross = np.linalg.norm(cx.T @ cy) ** 2
    assert linear_cka(x, y) == pytest.approx(cross / np.linalg.norm(cx.T @ cx) / np.linalg.norm(cy.T @ cy), abs=1e-6)

    nx, ny = cx / np.linalg.norm(cx), cy / np.linalg.norm(cy)
    u, _, vt = np.linalg.svd(nx.T @ ny, full_matrices=False)
    distance = np.linalg.norm(nx @ u - ny @ vt.T) ** 2 + np.linalg.norm(nx) ** 2 - np.linalg.norm(nx @ u) ** 2
    assert 2 - 2 * procrustes(x, y) == pytest.approx(distance, abs=1e-6)


def test_debiased_cka_equals_the_formula_on_kernels():
    x, y = features(12, n=30)

    def hsic(k, m):  # Song et al. 2007, equation 5
        k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
        n, one = len(k), np.ones(len(k))
        middle = one @ k @ one * (one @ m @ one) / ((n - 1) * (n - 2))
        return np.trace(k @ m) + middle - 2 / (n - 2) * (one @ k @ m @ one)

    k, m = x @ x.T, y @ y.T
    direct = hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))
    assert debiased_cka(x, y) == pytest.approx(direct, abs=1e-6)
    assert debiased_cka(x, y, dtype="float64") == pytest.approx(direct, abs=1e-13)


def test_canonical_correlations_equal_statsmodels():
    from statsmodels.multivariate.cancorr import CanCorr

    x, y = features(14)
    oracle = CanCorr(x - x.mean(0), y - y.mean(0)).cancorr
    np.testing.assert_allclose(canonical_correlations(x, y), oracle, atol=2e-6)


def test_pwcca_of_equally_wide_sides_is_symmetric():
    x, y = features(19)
    assert pwcca(x, y) == pytest.approx(pwcca(y, x), abs=1e-6)
    assert pwcca(x, y) == pytest.approx((pwcca(x, y, side="x") + pwcca(x, y, side="y")) / 2, abs=1e-6)


def test_known_population_correlations_are_recovered():
    rng = np.random.default_rng(4)
    rho = np.array([0.95, 0.7, 0.4, 0.1])
    z, noise = rng.standard_normal((2, 200_000, 4))
    x = z @ rng.standard_normal((4, 4)) + 7
    y = (rho * z + np.sqrt(1 - rho**2) * noise) @ rng.standard_normal((4, 4))
    np.testing.assert_allclose(canonical_correlations(x, y), rho, atol=0.01)


def test_independent_samples_are_at_the_chance_level():
    x, y = np.random.default_rng(5).standard_normal((2, 2000, 64))
    assert similarity("r2_cca", x, y) == pytest.approx(level("r2_cca", 2000, 64, 64), rel=0.05)
    assert abs(similarity("debiased_cka", x, y)) < 0.01
    assert similarity("debiased_cka", x, y) < similarity("cka", x, y)


def test_independent_samples_of_the_papers_size_have_the_known_mean():
    """64 channels: 0.068 at 10,000 samples, 0.115 at 3,528; the closed form holds for unequal ranks too."""
    x, y = np.random.default_rng(6).standard_normal((2, 10_000, 64))
    assert mean_cca(x, y) == pytest.approx(0.068, abs=0.002)
    assert level("cca", 10_000, 64, 64) == pytest.approx(0.068, abs=0.0005)
    assert level("cca", 3528, 64, 64) == pytest.approx(0.115, abs=0.0005)
    assert mean_cca(x[:2000], y[:2000, :16]) == pytest.approx(level("cca", 2000, 64, 16), abs=0.005)
    assert level("cca", 100, 64, 64) is None


@pytest.mark.parametrize("name", ["cca", "debiased_cka", "pwcca"])
def test_float64_and_qr_agree_with_moments_in_float32(name):
    x, y = features(7)
    single, double = similarity(name, x, y), similarity(name, x, y, dtype="float64")
    assert single == pytest.approx(double, abs=1e-6)
    if name in CANONICAL:
        assert similarity(name, x, y, method="tsqr") == pytest.approx(double, abs=1e-6)
        assert similarity(name, x, y, method="tsqr", dtype="float64") == pytest.approx(double, abs=1e-13)


def test_qr_and_float64_keep_directions_that_float32_moments_lose():
    rng = np.random.default_rng(8)
    x = rng.standard_normal((2000, 5))
    x = np.concatenate([x, x[:, :1] + 1e-4 * rng.standard_normal((2000, 1))], axis=1)
    assert mean_cca(x, x).rank == 5
    assert mean_cca(x, x, method="tsqr").rank == 6
    assert mean_cca(x, x, dtype="float64").rank == 6


def test_large_means_and_uneven_scales_do_not_reduce_precision():
    x, y = features(9, n=4000)
    hard = (x * np.logspace(-3, 3, 5) + 100 * x.std() * np.logspace(-3, 3, 5)).astype(np.float32)
    exact = canonical_correlations(hard, y.astype(np.float32), method="tsqr", dtype="float64")
    np.testing.assert_allclose(canonical_correlations(hard, y), exact, atol=5e-6)
