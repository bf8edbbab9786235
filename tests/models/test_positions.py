"""Resized position embeddings and rotary positions are compared with PyTorch."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from tljax.models.positions import Interpolation, bicubic_matrix, resize, rotary_angles, rotate

GRID = np.random.default_rng(0).normal(size=(7, 7, 5))
SIZES = [(4, 9), (16, 7), (1, 3), (13, 13)]


def theirs(grid: np.ndarray, **options) -> np.ndarray:
    resized = interpolate(torch.from_numpy(grid).permute(2, 0, 1)[None], mode="bicubic", **options)
    return resized[0].permute(1, 2, 0).numpy()


def ours(grid: np.ndarray, size: tuple[int, int], interpolation: Interpolation) -> np.ndarray:
    rows, columns = (bicubic_matrix(7, new, interpolation) for new in size)
    return np.einsum("ih,jw,hwc->ijc", rows, columns, grid)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("options", [{}, {"antialias": True}, {"align_corners": True}], ids=str)
def test_a_resized_grid_equals_pytorch(size, options):
    found = ours(GRID, size, Interpolation(**options))
    np.testing.assert_allclose(found, theirs(GRID, size=size, **options), atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_a_resized_grid_equals_dino(size):
    expected = theirs(GRID, scale_factor=[(new + 0.1) / 7 for new in size])
    found = ours(GRID, size, Interpolation(offset=0.1))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert np.abs(found - theirs(GRID, size=size)).max() > 1e-3  # the offset is no detail


def test_embeddings_are_resized_in_float32():
    grid, rule = GRID.astype(np.float32), Interpolation(antialias=True)
    np.testing.assert_allclose(resize(jnp.asarray(grid), (4, 9), rule), ours(GRID, (4, 9), rule), atol=1e-5)
    np.testing.assert_array_equal(resize(jnp.asarray(grid), (7, 7), Interpolation(offset=0.1)), grid)


def test_attention_depends_on_differences_of_rotary_positions():
    """The product of a rotated query and a rotated key depends only on the difference of their positions."""
    angles = rotary_angles((5, 5), 8, 100.0)
    rng = np.random.default_rng(1)
    query, key = (np.repeat(rng.normal(size=(1, 1, 1, 8)).astype(np.float32), 26, axis=2) for _ in range(2))
    query, key = (np.asarray(rotate(jnp.asarray(x), angles, prefix=1)) for x in (query, key))
    products = (query[0, 0] @ key[0, 0].T)[1:, 1:].reshape(5, 5, 5, 5)
    assert products[0, 0, 1, 2] == pytest.approx(products[3, 2, 4, 4], abs=1e-5)
    assert abs(products[0, 0, 1, 2] - products[0, 0, 2, 1]) > 1e-2


def test_tokens_before_the_patches_are_not_rotated():
    x = jnp.asarray(np.random.default_rng(2).normal(size=(2, 3, 7, 8)).astype(np.float32))
    rotated = rotate(x, rotary_angles((2, 2), 8, 100.0), prefix=3)
    np.testing.assert_array_equal(rotated[:, :, :3], x[:, :, :3])
    assert (rotated[:, :, 3:] != x[:, :, 3:]).any(axis=-1).all()
