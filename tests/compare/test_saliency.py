"""Grad-CAM, the images for which it is drawn, and the filters of the first layer."""

import jax.numpy as jnp
import numpy as np

from tljax.compare import saliency
from tljax.core.predictions import Predictions
from tljax.datasets.dataset import Dataset
from tljax.datasets.tasks.phantom import CARD
from tljax.weights import networks


def predictions(labels, probabilities) -> Predictions:
    files = tuple(f"{number}.png" for number in range(len(labels)))
    return Predictions(files, np.array(labels), ("test",) * len(labels), np.array(probabilities), CARD.classes)


def test_most_confident_right_and_wrong_images_of_each_class_are_chosen():
    sure = [0.6, 0.9, 0.8, 0.7, 0.1, 0.3, 0.95, 0.2]  # of the first class
    labels = [0, 0, 0, 0, 0, 1, 1, 1]
    chosen = saliency.most_confident(predictions(labels, [[p, 1 - p] for p in sure]), each=2)
    assert chosen.tolist() == [1, 2, 4, 7, 5, 6]


def test_grad_cam_equals_the_last_activation_weighted_by_the_head():
    network = networks.resolve("random", num_classes=2, backbone="resnet_tiny", seed=3)
    kernel = network.model.head.kernel
    kernel[...] = jnp.concatenate([kernel[..., :1], -kernel[..., :1]], axis=1)  # one class, and its opposite
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 64, 64, 3), np.uint8)
    test = predictions([0, 1, 0, 1], [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]])
    data = Dataset(CARD, images, np.array([0, 1, 0, 1], np.int32), test.files, None, None, "")
    found = saliency.saliency(network, data, test)

    order = [test.files.index(file) for file in found["files"]]
    assert sorted(order) == [0, 1, 2, 3]
    assert np.array_equal(found["images"], images[order])
    assert np.array_equal(found["predicted"], test.probabilities[order].argmax(1))
    assert np.array_equal(found["probability"], test.probabilities[order].max(1))
    x = network.normalisation(jnp.asarray(images[order], jnp.float32))
    activation = network.model(x).activations["block4"]
    head = np.asarray(kernel[...])
    raw = np.einsum("bhwc,cb->bhw", activation, head[:, found["predicted"]]).clip(0)
    peaks = raw.max(axis=(1, 2), keepdims=True)
    assert (peaks > 0).any()
    np.testing.assert_allclose(found["maps"], raw / np.where(peaks > 0, peaks, 1), atol=1e-5)


def test_filters_are_the_kernels_of_the_first_convolution_before_and_after():
    before, after = (networks.resolve(f"random:{seed}", backbone="resnet_tiny") for seed in (1, 2))
    found = saliency.filters(before, after)
    assert np.array_equal(found["before"], before.model.conv1.kernel[...])
    assert np.array_equal(found["after"], after.model.conv1.kernel[...])
