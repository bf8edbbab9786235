"""The augmentation is Keras's warp with the paper's ranges, and draws all of them."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tljax.train.augment import ROTATION, SHIFT, ZOOM, affine_matrix, random_matrices, warp

GOLDEN = Path(__file__).parents[1] / "golden" / "augment_keras.npz"
IDENTITY = jnp.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


@pytest.fixture(scope="module")
def images():
    return jnp.asarray(np.random.default_rng(1).integers(0, 256, (4, 9, 12, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def drawn():
    return np.asarray(random_matrices(jax.random.key(0), 4000, (40, 60), flip=True), np.float64)


def test_equals_keras_apply_affine_transform_border_included():
    golden = np.load(GOLDEN)
    parameters = (jnp.asarray(golden[name], jnp.float32) for name in ("theta", "tx", "ty", "shear", "zx", "zy"))
    ours = warp(jnp.asarray(golden["images"]), affine_matrix(*parameters))
    np.testing.assert_allclose(ours, golden["warped"], atol=2e-3)  # of 255: float32 coordinates against float64


def test_identity_keeps_every_pixel(images):
    np.testing.assert_array_equal(warp(images, jnp.stack([IDENTITY] * 4)), images)


def test_mirror_is_exact_on_any_shape(images):
    mirror = IDENTITY.at[0, 0].set(-1)
    np.testing.assert_array_equal(warp(images, jnp.stack([mirror] * 4)), images[:, :, ::-1])


def test_shift_fills_with_the_nearest_edge(images):
    right = IDENTITY.at[0, 2].set(-5.0)
    warped = np.asarray(warp(images, jnp.stack([right] * 4)))
    np.testing.assert_array_equal(warped[:, :, 5:], images[:, :, :-5])
    np.testing.assert_array_equal(warped[:, :, :5], np.repeat(images[:, :, :1], 5, axis=2))


def test_drawn_matrices_fill_the_ranges_of_the_paper_and_no_more(drawn):
    zoom_x = np.hypot(drawn[:, 0, 0], drawn[:, 1, 0])
    zoom_y = np.hypot(drawn[:, 0, 1], drawn[:, 1, 1])
    mirror = np.sign(drawn[:, 0, 0])
    rotation = np.rad2deg(np.arctan2(mirror * drawn[:, 1, 0], mirror * drawn[:, 0, 0]))
    cos, sin = np.cos(np.deg2rad(rotation)), np.sin(np.deg2rad(rotation))
    shift_x = cos * drawn[:, 0, 2] + sin * drawn[:, 1, 2]
    shift_y = -sin * drawn[:, 0, 2] + cos * drawn[:, 1, 2]
    for values, low, high in (
        (zoom_x, 1 - ZOOM, 1 + ZOOM),
        (zoom_y, 1 - ZOOM, 1 + ZOOM),
        (rotation, -ROTATION, ROTATION),
        (shift_x, -60 * SHIFT, 60 * SHIFT),
        (shift_y, -40 * SHIFT, 40 * SHIFT),
    ):
        width, slack = high - low, 1e-4
        assert low - slack <= values.min() < low + 0.01 * width
        assert high - 0.01 * width < values.max() <= high + slack
        assert abs(values.mean() - (low + high) / 2) < 0.03 * width


def test_half_of_the_images_are_mirrored_if_flips_are_allowed(drawn):
    assert 0.46 < (drawn[:, 0, 0] < 0).mean() < 0.54
    unflipped = random_matrices(jax.random.key(0), 100, (40, 60), flip=False)
    assert (unflipped[:, 0, 0] > 0).all()


def test_zooms_of_the_axes_are_independent(drawn):
    zooms = np.hypot(drawn[:, 0, :2], drawn[:, 1, :2])
    assert abs(np.corrcoef(zooms.T)[0, 1]) < 0.06
