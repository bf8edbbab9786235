"""Which arrays and options are accepted, what is refused, and the diagnostics of a result."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from representations import ALL, CANONICAL, features, similarity

from tljax.core.errors import UserError
from tljax.similarity import arrays, named
from tljax.similarity.cca import mean_cca, pwcca
from tljax.similarity.cka import linear_cka


def test_measures_are_found_by_their_files():
    assert {"cca", "svcca", "pwcca", "r2_cca", "cka", "debiased_cka", "procrustes"} <= set(ALL)
    with pytest.raises(UserError, match=r"unknown measure 'cosine'.*cka"):
        named(("cosine",))


@pytest.mark.parametrize("kind", [bool, np.int8, np.uint8, np.uint64, np.int32])
def test_integer_and_boolean_arrays_are_accepted(kind):
    x, y = features(15)
    x = x > 1 if kind is bool else (1 + np.round(x * 10) % 100).astype(kind)
    assert linear_cka(x, y) == pytest.approx(linear_cka(x.astype(float), y), abs=1e-6)


def test_half_precision_arrays_are_accepted():
    x, y = features(15)
    half = jnp.asarray(y, jnp.bfloat16)
    assert mean_cca(x, half) == pytest.approx(mean_cca(x, np.asarray(half, np.float32)))
    assert jax.config.jax_enable_x64 is False


def test_values_that_are_not_real_numbers_are_refused():
    x, y = features(15)
    for wrong in (x + 1j, x.astype(str)):
        with pytest.raises(UserError, match="an array of real numbers is needed, but one holds values of type"):
            linear_cka(wrong, y)


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


def test_pwcca_refuses_channels_of_extreme_scale_in_float32():
    x, y = features(4)
    scale = np.array([1e20, 1, 1, 1, 1])
    with pytest.raises(UserError, match="use dtype float64"):
        pwcca(x * scale, y)
    assert pwcca(x * scale, y, dtype="float64", side="y") == pytest.approx(pwcca(x, y, side="y"), abs=1e-5)


@pytest.mark.parametrize("name", sorted(CANONICAL))
def test_correlations_that_are_1_by_arithmetic_are_counted(name):
    """The centred samples span 59 dimensions, so that 40 and 40 directions share at least 21."""
    x, y = np.random.default_rng(18).standard_normal((2, 60, 40))
    with pytest.warns(UserWarning, match="correlations are 1 by arithmetic"):
        found = similarity(name, x, y)
    assert found.forced == found.rank1 + found.rank2 - 59
    assert similarity(name, x[:, :29], y[:, :30]).forced == 0


def test_results_carry_diagnostics():
    x, y = features(10, dx=6, dy=4)
    found = mean_cca(x, y)
    correlation = np.corrcoef(x.T)
    assert (found.n, found.rank1, found.rank2, found.rank) == (200, 6, 4, 4)
    assert found.condition1 == pytest.approx(np.linalg.cond(correlation), rel=1e-3)
    assert found.cutoff == pytest.approx(1e-5)
    assert mean_cca(x, y, cutoff=0.5).rank1 < 6


def test_a_similarity_can_be_pickled_and_copied():
    found = mean_cca(*features(20))
    for again in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        assert (again, vars(again)) == (found, vars(found))
