"""Streaming moments: they do not depend on the batches; intervals by jackknife over blocks."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tljax.core.errors import UserError
from tljax.similarity import moments, r2_cca
from tljax.similarity.results import corrected, interval, jackknifed, measure_all
from tljax.similarity.views import Measurement, moment_pairs

WIDTHS = {"a": 4, "b": 3, "c": 5}
PAIRS = (("a", "b"), ("a", "c"), ("b", "c"))

added = jax.jit(moments.added)


@pytest.fixture(scope="module")
def views() -> dict[str, np.ndarray]:
    """Three views of 96 samples, correlated, with means far from 0."""
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((96, 4))
    noisy = {name: signal @ rng.standard_normal((4, d)) + rng.standard_normal((96, d)) for name, d in WIDTHS.items()}
    return {name: (view + rng.normal(0, 5, view.shape[1])).astype(np.float32) for name, view in noisy.items()}


def from_samples(views: dict[str, np.ndarray], a: str, b: str) -> moments.Cross:
    u, v = (views[name].astype(float) - views[name].astype(float).mean(0) for name in (a, b))
    p, q = np.square(u).sum(1), np.square(v).sum(1)
    return moments.Cross(u.T @ v, q @ u, p @ v, p @ q)


def gathered(views: dict[str, np.ndarray], sizes: list[int]) -> moments.Moments:
    state = moments.empty(WIDTHS, PAIRS)
    for rows in np.split(np.arange(len(views["a"])), np.cumsum(sizes)[:-1]):
        state = added(state, {name: jnp.asarray(view[rows]) for name, view in views.items()})
    return state


def assert_same(found, expected, tolerance: float = 1e-5):
    """Asserts equality up to rounding, relative to the largest entry of each leaf."""
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * max(np.abs(other).max(), 1e-30))


@pytest.mark.parametrize("sizes", [[96], [1, 95], [32, 32, 32]])
def test_moments_do_not_depend_on_the_batches(views, sizes):
    state = gathered(views, sizes)
    assert float(state.n) == 96
    assert set(state.cross) == {("a", "a"), ("b", "b"), ("c", "c"), *PAIRS}
    for name in WIDTHS:
        np.testing.assert_allclose(state.mean[name], views[name].mean(0), rtol=1e-6)
    for a, b in state.cross:
        assert_same(state.cross[a, b], from_samples(views, a, b))


def test_merging_is_commutative_and_empty_is_neutral(views):
    first, second = (gathered({k: v[rows] for k, v in views.items()}, [48]) for rows in (slice(48), slice(48, 96)))
    assert_same(moments.merged(first, second), moments.merged(second, first))
    assert_same(moments.merged(first, moments.empty(WIDTHS, PAIRS)), first, 1e-7)
    assert_same(moments.merged(moments.empty(WIDTHS, PAIRS), first), first, 1e-7)


def test_padding_does_not_change_the_moments(views):
    padded = {name: jnp.pad(jnp.asarray(view), ((0, 32), (0, 0))) for name, view in views.items()}
    weight = (jnp.arange(128) < 96).astype(jnp.float32)
    assert_same(added(moments.empty(WIDTHS, PAIRS), padded, weight), gathered(views, [96]))


def test_moments_can_be_computed_inside_a_scan(views):
    batches = {name: jnp.asarray(view).reshape(4, 24, -1) for name, view in views.items()}
    step = jax.jit(lambda state, xs: lax.scan(lambda s, x: (moments.added(s, x), None), state, xs)[0])
    assert_same(step(moments.empty(WIDTHS, PAIRS), batches), gathered(views, [96]))


def mismatched_moments(views, batches=1):
    """The moments of pairs whose second samples are shifted by 7, without the moments of a view with itself."""
    shifted = {moments.mismatched(name): np.roll(view, -7, axis=0) for name, view in views.items()}
    widths = WIDTHS | {moments.mismatched(name): width for name, width in WIDTHS.items()}
    state = moments.empty(widths, [(a, moments.mismatched(b)) for a, b in PAIRS], own=False)
    for rows in np.array_split(np.arange(96), batches):
        state = added(state, {name: jnp.asarray(view[rows]) for name, view in (views | shifted).items()})
    return state, views | shifted


@pytest.mark.parametrize("batches", [1, 5])
def test_cross_moments_do_not_need_the_moments_of_a_view_with_itself(views, batches):
    state, both = mismatched_moments(views, batches)
    for (a, b), cross in state.cross.items():
        assert a != b
        assert_same(cross, from_samples(both, a, b))


def test_weighted_blocks_equal_repeated_samples(views):
    blocks = [gathered({k: v[start : start + 24] for k, v in views.items()}, [24]) for start in (0, 24, 48, 72)]
    drawn = np.concatenate([np.arange(24), np.arange(24), np.arange(72, 96)])
    expected = gathered({k: v[drawn] for k, v in views.items()}, [72])
    assert_same(jax.jit(moments.summed)(moments.stacked(blocks), jnp.array([2.0, 0, 0, 1])), expected)


def test_a_jackknife_recomputes_measures_with_each_block_left_out(views):
    blocks = [gathered({k: v[start : start + 24] for k, v in views.items()}, [24]) for start in (0, 24, 48, 72)]
    names = ("cca", "debiased_cka")
    mismatched, both = mismatched_moments(views)
    found, chance, left_out = jackknifed(moments.stacked(blocks), mismatched, names)
    whole = measure_all(gathered(views, [96]), names)
    for a, b in PAIRS:
        shifted = {a: both[a], b: both[moments.mismatched(b)]}
        state = added(moments.empty({a: WIDTHS[a], b: WIDTHS[b]}, [(a, b)]), shifted)
        by_chance = measure_all(state, names)[a, b]
        for name in names:
            assert abs(found[a, b][name].value - whole[a, b][name].value) < 1e-5
            assert abs(chance[a, b][name].value - by_chance[name].value) < 1e-5
            assert chance[a, b][name].value < found[a, b][name].value
    rest = gathered({k: np.delete(v, np.s_[24:48], axis=0) for k, v in views.items()}, [72])
    for pair, expected in measure_all(rest, names).items():
        for name, found in expected.items():
            assert left_out[pair][name].shape == (4,)
            np.testing.assert_allclose(left_out[pair][name][1], found.value, atol=1e-5)


def test_jackknife_interval_of_a_mean_equals_students_t():
    sample = np.random.default_rng(2).normal(3, 2, 12)
    low, high = interval(sample.mean(), np.array([np.delete(sample, k).mean() for k in range(12)]))
    half = 2.200985 * sample.std(ddof=1) / np.sqrt(12)  # t quantile, 11 degrees of freedom
    assert (low, high) == pytest.approx((sample.mean() - half, sample.mean() + half), rel=1e-6)


def test_interval_of_a_corrected_value_is_the_jackknife_of_corrected_values():
    six, one = jnp.asarray(6), jnp.asarray(1.0)
    measured = Measurement(0.5 * one, 100 * one, six, six, one, one, 0 * one, jnp.asarray(True), jnp.asarray(0))
    left_out = np.array([0.52, 0.49, 0.5, 0.51])
    without_bias = corrected("r2_cca", measured, left_out, 0.06)
    assert without_bias.value == r2_cca.corrected(0.5, 0.06, 6, 6)
    ends = interval(without_bias.value, np.array([r2_cca.corrected(each, 0.08, 6, 6) for each in left_out]))
    assert (without_bias.low, without_bias.high) == ends
    assert corrected("cca", measured, left_out, 0.06) is None
    assert corrected("r2_cca", measured, left_out[:1], 0.06) is None
    assert corrected("r2_cca", measured, left_out, 0.2) is None  # too few samples with a block left out


def test_one_block_has_no_interval():
    assert interval(0.5, np.array([0.5])) is None


def test_large_means_do_not_reduce_the_precision_of_the_variance():
    rng = np.random.default_rng(3)
    x = (1000 + rng.standard_normal((4096, 2))).astype(np.float32)
    state = moments.empty({"x": 2})
    for batch in np.split(x, 16):
        state = added(state, {"x": jnp.asarray(batch)})
    np.testing.assert_allclose(state.cross["x", "x"].second / 4095, np.cov(x.astype(float).T), atol=3e-6)


def test_uncentred_r2_cca_equals_the_notebook_of_kornblith_et_al():
    """Moments about the origin are those of uncentred samples; 0.54312 is the published value."""
    rng = np.random.RandomState(1337)
    x = rng.randn(100, 10)
    y = rng.randn(100, 10) + x
    state = moments.empty({"x": 10, "y": 10}, [("x", "y")])
    state = added(state, {"x": jnp.asarray(x, jnp.float32), "y": jnp.asarray(y, jnp.float32)})
    about_origin = moments.recentred(state, {"x": jnp.zeros(10), "y": jnp.zeros(10)})
    assert measure_all(about_origin, ("r2_cca",))["x", "y"]["r2_cca"].value == pytest.approx(0.54312, abs=1e-5)


def test_activations_that_are_not_finite_are_named(views):
    bad = views | {"b": np.where(views["b"] > 0, np.inf, views["b"])}
    with pytest.raises(UserError, match="activations of b are not finite"):
        moments.require_finite(gathered(bad, [96]))


def test_measures_share_one_eigendecomposition_per_view(views):
    """One eigendecomposition per view, however many pairs and measures there are."""
    names = ("cca", "pwcca", "r2_cca", "cka", "debiased_cka", "procrustes")
    traced = jax.make_jaxpr(partial(measure_all, measures=names))(moments.empty(WIDTHS, PAIRS))
    assert str(traced).count(" eigh[") == len(WIDTHS)
    assert moment_pairs(gathered(views, [96])).keys() == set(PAIRS)
