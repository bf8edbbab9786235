"""The correction of R^2 CCA for few samples."""

import numpy as np
import pytest

from tljax.similarity import r2_cca


@pytest.mark.parametrize(("n", "dx", "dy"), [(300, 24, 24), (200, 8, 30), (120, 1, 20)])
def test_r2_cca_correction_recovers_the_population_value(n, dx, dy):
    """Gaussian samples with known canonical correlations: the mean of 60 corrected estimates has almost no bias."""
    rng = np.random.default_rng(n)
    width = min(dx, dy)
    rho = 0.9 * np.linspace(1, 0.1, width)
    truth, estimates, corrected = np.mean(rho**2), [], []
    for _ in range(60):
        x, y = rng.standard_normal((n, dx)), rng.standard_normal((n, dy))
        y[:, :width] = rho * x[:, :width] + np.sqrt(1 - rho**2) * y[:, :width]
        estimates.append(r2_cca.r2_cca(x, y))
        corrected.append(r2_cca.corrected(estimates[-1], max(dx, dy) / (n - 1), dx, dy))
    error = np.std(corrected) / np.sqrt(60)
    assert abs(np.mean(corrected) - truth) < 3 * error + 0.01
    assert np.mean(estimates) - truth > 4 * abs(np.mean(corrected) - truth)


def test_r2_cca_correction_with_one_channel_is_close_to_the_adjusted_r2():
    n, d, value = 500, 10, 0.4
    adjusted = 1 - (1 - value) * (n - 1) / (n - d - 1)
    assert r2_cca.corrected(value, d / (n - 1), 1, d) == pytest.approx(adjusted, abs=0.002)
    assert r2_cca.corrected(0.1, 0.1, 8, 8) == pytest.approx(0, abs=1e-12)
    assert r2_cca.corrected(0.05, 0.1, 8, 8) < 0
    assert r2_cca.corrected(1.0, 0.1, 8, 8) == 1
    assert np.isnan(r2_cca.corrected(0.7, r2_cca.LIMIT, 8, 8))
    assert np.isnan(r2_cca.corrected(0.0, 0.0, 0, 8))
