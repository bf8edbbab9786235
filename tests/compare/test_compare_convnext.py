"""A ConvNeXt compared with a network of another family, and its Grad-CAM."""

import jax.numpy as jnp
import numpy as np
import pytest

from tljax import models
from tljax.compare import compare, saliency
from tljax.core.predictions import Predictions
from tljax.datasets import load
from tljax.models import convnext
from tljax.weights import networks

NAME = "convnext_two_stages"
convnext.ARCHITECTURES[NAME] = convnext.Architecture((1, 1), (6, 8))  # compiles within seconds


@pytest.fixture(scope="module")
def network() -> networks.Network:
    found = networks.resolve("random:1", num_classes=2, backbone=NAME)
    tensors = models.flatten(found.model)  # a new network's blocks add almost nothing to their input
    models.load_flat(found.model, {n: v + 0.5 * n.endswith(".scale") for n, v in tensors.items()})
    return found


def test_convnext_stages_are_compared_with_the_layers_of_another_family(network):
    other = networks.resolve("random:2", num_classes=2, backbone="densenet_tiny")
    images = load("phantom", image_size=32).images[:24]
    rows = compare([network, other], images, measures=("debiased_cka",), pool="gap")
    paired = [(row.layer1, row.layer2) for row in rows]
    assert paired[0] == ("stem", "conv1") and paired[-1] == ("stage2", "block4")
    assert all(np.isfinite(row.value) for row in rows)


def test_grad_cam_weights_the_last_grid_by_the_gradient_through_layer_norm(network):
    """The map is the grid weighted by the mean gradient of the logit, which passes through the last LayerNorm."""
    data = load("phantom", image_size=32)
    files, labels = data.files[:4], data.labels[:4]
    test = Predictions(files, labels, ("test",) * 4, np.array([[0.9, 0.1], [0.2, 0.8]] * 2), data.card.classes)
    found = saliency.saliency(network, data, test)
    assert found["maps"].shape == (4, 4, 4) and found["maps"].max() == pytest.approx(1)
    image = network.normalisation(jnp.asarray(found["images"][:1], jnp.float32))
    grid = np.asarray(network.model.features(image, ("stage2",))[1]["stage2"][0], np.float64)
    mean, head = grid.mean(axis=(0, 1)), np.asarray(network.model.head.kernel[...])[:, found["predicted"][0]]
    centred = mean - mean.mean()
    sigma = np.sqrt(np.mean(centred**2) + 1e-6)
    weights = (head - head.mean() - centred / sigma**2 * np.mean(head * centred)) / sigma  # LayerNorm's gradient
    raw = (grid @ weights).clip(0)
    np.testing.assert_allclose(found["maps"][0], raw / max(raw.max(), 1e-30), atol=1e-4)
    assert saliency.filters(network, network)["before"].shape == (4, 4, 3, 6)
