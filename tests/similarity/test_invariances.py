"""What does not change a similarity: order, batches, scale, rotation, invertible maps, dead and duplicate channels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from representations import AFFINE_INVARIANT, ALL, CANONICAL, features, similarity

from tljax.similarity import arrays, r2_cca
from tljax.similarity.cca import mean_cca

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=8, deadline=None, derandomize=True)


def orthogonal(rng: np.random.Generator, d: int) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((d, d)))[0]


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


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("scale", [1e-30, 1e-15, 1e-10, 1e8, 1e15])
def test_the_scale_of_an_array_does_not_change_the_value(name, scale):
    x, y = features(17)
    expected = similarity(name, x, y)
    assert similarity(name, (x * scale).astype(np.float32), y) == pytest.approx(expected, abs=2e-6)
    assert similarity(name, x * scale, x * scale) == pytest.approx(1, abs=2e-6)
    if name in CANONICAL:
        assert similarity(name, x * scale, y, method="tsqr") == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("name", ["cca", "r2_cca"])
@pytest.mark.parametrize("method", ["moments", "tsqr"])
def test_channels_of_extreme_scale_do_not_change_canonical_correlations(name, method):
    """Canonical correlations do not depend on the scale of a channel, 1e20 and 1e-20 included."""
    x, y = features(4)
    expected = similarity(name, x, y, method=method)
    scale = np.array([1e20, 1, 1, 1, 1e-20])
    function = {"cca": mean_cca, "r2_cca": r2_cca.r2_cca}[name]
    assert function(x * scale, y * scale[::-1], method=method) == pytest.approx(expected, abs=1e-5)
