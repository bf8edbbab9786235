"""The forward pass of one network equals the model itself, in even batches of images."""

import jax.numpy as jnp
import numpy as np
import pytest
from toynets import network, pictures

from tljax.models.forward import Forward, even_batches

NET = network(0)
IMAGES = pictures(10)


def test_batches_hold_every_image_once_and_equal_the_model():
    forward = Forward(NET.model, NET.normalisation, ("block1",))
    found = list(forward.over(IMAGES, batch_size=4))
    assert [mask.tolist() for _, _, mask in found] == [[True] * 4, [True] * 3 + [False], [True] * 3 + [False]]
    features, activations = NET.model.features(NET.normalisation(jnp.asarray(IMAGES, jnp.float32)), ("block1",))
    np.testing.assert_allclose(np.concatenate([f[mask] for f, _, mask in found]), features, rtol=1e-5)
    np.testing.assert_allclose(
        np.concatenate([a["block1"][mask] for _, a, mask in found]), activations["block1"], rtol=1e-5
    )


def test_shapes_are_known_without_a_pass():
    assert Forward(NET.model, NET.normalisation, ("conv1", "block1")).shapes((16, 16)) == {
        "conv1": (4, 4, 6),
        "block1": (2, 2, 5),
    }


@pytest.mark.parametrize(("count", "size", "devices"), [(1, 32, 1), (33, 32, 1), (5, 2, 4), (64, 32, 2)])
def test_batches_are_even_and_divide_among_the_devices(count, size, devices):
    table = even_batches(np.arange(count), size, devices)
    taken = (table >= 0).sum(1)
    assert table[table >= 0].tolist() == list(range(count))
    assert table.shape[1] % devices == 0 and np.ptp(taken) <= 1 and taken.max() <= size
