"""The mathematics of every measure: invariances, known values, and the level of unrelated samples."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tljax.core.errors import UserError
from tljax.similarity import arrays, measures, named, r2_cca
from tljax.similarity.cca import canonical_correlations, mean_cca, pwcca, svcca
from tljax.similarity.cka import debiased_cka, linear_cka
from tljax.similarity.independent import level
from tljax.similarity.procrustes import procrustes

ALL = sorted(measures())
CANONICAL = {"cca", "pwcca", "r2_cca", "svcca"}  # those made of canonical correlations
AFFINE_INVARIANT = {"cca", "pwcca", "r2_cca"}  # pwcca on the side that does not weight

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=8, deadline=None, derandomize=True)


def similarity(name: str, x, y, **options) -> arrays.Similarity:
    return arrays.evaluate(measures()[name], x, y, **options)


def features(seed: int, n: int = 200, dx: int = 5, dy: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Two rectified random maps of a shared signal: related but not equal, not centred, with uneven scales."""
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal((n, 5))
    scale = np.exp(rng.uniform(-1, 1, dx))
    x = np.maximum(signal @ rng.standard_normal((5, dx)) + 0.3 * rng.standard_normal((n, dx)), 0) * scale
    y = np.maximum(signal @ rng.standard_normal((5, dy)) + 0.3 * rng.standard_normal((n, dy)), 0)
    return x, y


def orthogonal(rng: np.random.Generator, d: int) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((d, d)))[0]


def test_measures_are_found_by_their_files():
    assert {"cca", "svcca", "pwcca", "r2_cca", "cka", "debiased_cka", "procrustes"} <= set(ALL)
    with pytest.raises(UserError, match=r"unknown measure 'cosine'.*cka"):
        named(("cosine",))


@pytest.mark.parametrize("name", ALL)
@few
@given(seeds)
def test_similarity_is_1_after_shift_rotation_and_scaling(name, seed):
    x, _ = features(seed)
    rng = np.random.default_rng(seed)
    moved = 3.0 * x @ orthogonal(rng, 5) + rng.normal(0, 1, 5)
    assert similarity(name, x, x) == pytest.approx(1, abs=2e-6)
    assert similarity(name, x, moved) == pytest.approx(1, abs=2e-5)


@pytest.mark.parametrize("name", ALL)
@few
@given(seeds, st.floats(1e-3, 1e3))
def test_orthogonal_maps_shifts_and_scaling_do_not_change_the_value(name, seed, scale):
    x, y = features(seed)
    rng = np.random.default_rng(seed)
    turned = scale * x @ orthogonal(rng, 5)
    options = {"side": "y"} if name == "pwcca" else {}  # weighted by x's channels, the value depends on their basis
    before, after = (
        similarity(name, x, y, **options),
        similarity(name, turned + scale * rng.normal(0, 1, 5), y, **options),
    )
    assert after == pytest.approx(before, abs=2e-5)


@pytest.mark.parametrize("name", ALL)
def test_invertible_maps_change_only_measures_that_are_not_affine_invariant(name):
    x, y = features(1)
    rng = np.random.default_rng(1)
    sheared = x @ orthogonal(rng, 5) * np.array([1, 1, 1, 1, 10]) @ orthogonal(rng, 5)
    options = {"side": "y"} if name == "pwcca" else {}
    apart = abs(similarity(name, x, y, **options) - similarity(name, sheared, y, **options))
    assert apart < 2e-5 if name in AFFINE_INVARIANT else apart > 1e-3


@pytest.mark.parametrize("name", ALL)
@few
@given(seeds)
def test_measures_are_symmetric_and_bounded(name, seed):
    x, y = features(seed, dy=4)
    forth, back = similarity(name, x, y), similarity(name, y, x)
    assert forth == pytest.approx(back, abs=2e-6)
    assert (forth.rank1, forth.rank2) == (back.rank2, back.rank1)
    assert -1e-6 <= forth <= 1


@pytest.mark.parametrize("name", ALL)
@few
@given(seeds)
def test_the_order_of_samples_and_the_size_of_batches_do_not_matter(name, seed):
    x, y = features(seed)
    order = np.random.default_rng(seed).permutation(200)
    whole = similarity(name, x, y)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrays, "ROWS", 64)
        assert similarity(name, x[order], y[order]) == pytest.approx(whole, abs=2e-6)


@pytest.mark.parametrize("name", ALL)
def test_dead_and_duplicate_channels_change_the_rank_but_not_the_value(name):
    x, _ = features(3)
    hardened = np.concatenate([x, np.zeros((200, 2)), np.full((200, 1), 1000.1), x[:, :3]], axis=1)
    alike = similarity(name, hardened, hardened)
    assert alike == pytest.approx(1, abs=2e-6)
    if name == "svcca":
        assert alike.rank <= 5
    else:
        assert (alike.rank1, alike.rank2) == (5, 5)
    if name in AFFINE_INVARIANT:
        assert similarity(name, hardened, x) == pytest.approx(1, abs=2e-6)


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


def test_results_carry_diagnostics():
    x, y = features(10, dx=6, dy=4)
    found = mean_cca(x, y)
    correlation = np.corrcoef(x.T)
    assert (found.n, found.rank1, found.rank2, found.rank) == (200, 6, 4, 4)
    assert found.condition1 == pytest.approx(np.linalg.cond(correlation), rel=1e-3)
    assert found.cutoff == pytest.approx(1e-5)
    assert mean_cca(x, y, cutoff=0.5).rank1 < 6


@pytest.mark.parametrize("name", ALL)
def test_meaningless_input_is_refused(name):
    x, y = features(11, n=20, dx=6, dy=4)
    with pytest.raises(UserError, match="20 and 19 samples"):
        similarity(name, x, y[:-1])
    with pytest.raises(UserError, match="constant"):
        similarity(name, x, np.ones_like(y))
    with pytest.raises(UserError, match="not finite"):
        similarity(name, np.where(x > 1, np.nan, x), y)
    with pytest.raises(UserError, match="n d"):
        similarity(name, x[:, 0], y)
    if name in CANONICAL:
        with pytest.raises(UserError, match="6 samples are too few"):
            similarity(name, x[:6], y[:6])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "svd"}, "unknown method 'svd'; known are moments, tsqr"),
        ({"dtype": "float16"}, "unknown dtype 'float16'"),
        ({"cutoff": 1.0}, "cutoff 1.0: it is a share"),
    ],
)  # the check is called directly, because the type checker of the tests would refuse these first
def test_unknown_options_are_named_in_the_error(options, message):
    with pytest.raises(UserError, match=message):
        arrays._check(*features(16), **{"method": "moments", "dtype": "float32", "cutoff": None} | options)


def test_empty_arrays_are_refused():
    x, y = features(16)
    with pytest.raises(UserError, match=r"shape \(0, 5\)"):
        linear_cka(x[:0], y[:0])
    with pytest.raises(UserError, match=r"shape \(200, 0\)"):
        linear_cka(x[:, :0], y)
    with pytest.raises(UserError, match="1 sample is too few"):
        linear_cka(x[:1], y[:1])


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("scale", [1e-30, 1e-15, 1e-10, 1e8, 1e15])
def test_the_scale_of_an_array_does_not_change_the_value(name, scale):
    x, y = features(17)
    expected = similarity(name, x, y)
    assert similarity(name, (x * scale).astype(np.float32), y) == pytest.approx(expected, abs=2e-6)
    assert similarity(name, x * scale, x * scale) == pytest.approx(1, abs=2e-6)
    if name in CANONICAL:
        assert similarity(name, x * scale, y, method="tsqr") == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("name", sorted(CANONICAL))
def test_correlations_that_are_1_by_arithmetic_are_counted(name):
    """The centred samples span 59 dimensions, so that 40 and 40 directions share at least 21."""
    x, y = np.random.default_rng(18).standard_normal((2, 60, 40))
    with pytest.warns(UserWarning, match="correlations are 1 by arithmetic"):
        found = similarity(name, x, y)
    assert found.forced == found.rank1 + found.rank2 - 59
    assert similarity(name, x[:, :29], y[:, :30]).forced == 0


def test_pwcca_of_equally_wide_sides_is_symmetric():
    x, y = features(19)
    assert pwcca(x, y) == pytest.approx(pwcca(y, x), abs=1e-6)
    assert pwcca(x, y) == pytest.approx((pwcca(x, y, side="x") + pwcca(x, y, side="y")) / 2, abs=1e-6)


def test_a_similarity_can_be_pickled_and_copied():
    found = mean_cca(*features(20))
    for again in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        assert (again, vars(again)) == (found, vars(found))


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


def test_canonical_correlations_equal_statsmodels():
    from statsmodels.multivariate.cancorr import CanCorr

    x, y = features(14)
    oracle = CanCorr(x - x.mean(0), y - y.mean(0)).cancorr
    np.testing.assert_allclose(canonical_correlations(x, y), oracle, atol=2e-6)


@pytest.mark.parametrize("kind", [bool, np.int8, np.uint8, np.uint64, np.int32])
def test_integer_and_boolean_arrays_are_accepted(kind):
    x, y = features(15)
    x = x > 1 if kind is bool else (1 + np.round(x * 10) % 100).astype(kind)
    assert linear_cka(x, y) == pytest.approx(linear_cka(x.astype(float), y), abs=1e-6)


def test_values_that_are_not_real_numbers_are_refused():
    x, y = features(15)
    for wrong in (x + 1j, x.astype(str)):
        with pytest.raises(UserError, match="an array of real numbers is needed, but one holds values of type"):
            linear_cka(wrong, y)


def test_half_precision_arrays_are_accepted():
    x, y = features(15)
    half = jnp.asarray(y, jnp.bfloat16)
    assert mean_cca(x, half) == pytest.approx(mean_cca(x, np.asarray(half, np.float32)))
    assert jax.config.jax_enable_x64 is False


@pytest.mark.parametrize("name", ["cca", "r2_cca"])
@pytest.mark.parametrize("method", ["moments", "tsqr"])
def test_channels_of_extreme_scale_do_not_change_canonical_correlations(name, method):
    """Canonical correlations do not depend on the scale of a channel, 1e20 and 1e-20 included."""
    x, y = features(4)
    expected = similarity(name, x, y, method=method)
    scale = np.array([1e20, 1, 1, 1, 1e-20])
    function = {"cca": mean_cca, "r2_cca": r2_cca.r2_cca}[name]
    assert function(x * scale, y * scale[::-1], method=method) == pytest.approx(expected, abs=1e-5)


def test_pwcca_refuses_channels_of_extreme_scale_in_float32():
    x, y = features(4)
    scale = np.array([1e20, 1, 1, 1, 1])
    with pytest.raises(UserError, match="use dtype float64"):
        pwcca(x * scale, y)
    assert pwcca(x * scale, y, dtype="float64", side="y") == pytest.approx(pwcca(x, y, side="y"), abs=1e-5)


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
