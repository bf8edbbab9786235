"""Shows what a network looks at: Grad-CAM of its most confident predictions, and the filters of its first layer.

Grad-CAM: Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391. A map shows where a network looked, not why.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int, UInt8

from tljax.core.predictions import Predictions
from tljax.datasets import Dataset
from tljax.models.normalisation import Normalisation
from tljax.weights.networks import Network

EACH = 3  # images per class, of right and of wrong predictions


def filters(before: Network, after: Network) -> dict[str, np.ndarray]:
    """Returns the kernels of the first layer, `kh kw c n`, as `before` and `after`; empty if there are none."""
    found = {name: network.model.first_filters() for name, network in (("before", before), ("after", after))}
    return {name: np.asarray(kernel) for name, kernel in found.items() if kernel is not None}


def saliency(network: Network, data: Dataset, test: Predictions) -> dict[str, np.ndarray]:
    """Returns Grad-CAM maps of the most confident right and wrong predictions of each class.

    Returns `images` (uint8 `n h w 3`), `maps` (`n y x`, 0..1), `files`, `labels`, `predicted` (class numbers),
    `probability` (of the predicted class) and `classes` (names).
    """
    chosen = most_confident(test)
    row_of = {file: row for row, file in enumerate(data.files)}
    images = np.stack([data.images[row_of[test.files[row]]] for row in chosen])
    predicted = test.probabilities[chosen].argmax(axis=1)
    graph, state = nnx.split(network.model)
    layer = network.model.saliency_layer or network.model.named_layers[-1]
    maps = [
        _grad_cam(graph, network.normalisation, layer, state, image[None], number)  # one shape, compiled once
        for image, number in zip(images, predicted.astype(np.int32), strict=True)
    ]
    return {
        "images": images,
        "maps": np.stack(maps),
        "files": np.array([test.files[row] for row in chosen]),
        "labels": test.labels[chosen],
        "predicted": predicted,
        "probability": test.probabilities[chosen].max(axis=1),
        "classes": np.array(test.classes),
    }


def most_confident(test: Predictions, each: int = EACH) -> Int[np.ndarray, " n"]:
    """Returns rows of `test`: for each true class, up to `each` right and then wrong ones, most confident first."""
    predicted, sure = test.probabilities.argmax(axis=1), test.probabilities.max(axis=1)
    right = predicted == test.labels
    rows = []
    for number in range(len(test.classes)):
        for outcome in (right, ~right):
            found = np.flatnonzero((test.labels == number) & outcome)
            rows.append(found[np.argsort(-sure[found], kind="stable")][:each])
    return np.concatenate(rows)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _grad_cam(
    graph: Any,
    normalisation: Normalisation,
    layer: str,
    state: Any,
    image: UInt8[Array, "1 h w 3"],
    number: Int[Array, ""],
) -> Float[Array, "y x"]:
    """Returns how strongly each position of `layer` supports a class, in 0..1; the highest value is 1."""
    model = nnx.merge(graph, state, copy=True)
    x = normalisation(image.astype(jnp.float32))

    def logit(added: Float[Array, "1 y x c"]) -> tuple[Float[Array, ""], Float[Array, "1 y x c"]]:
        features, activations = model.features(x, {layer: added})
        return model.classify(features)[0, number], activations[layer].astype(jnp.float32)

    shape = jax.eval_shape(lambda: model.features(x, (layer,))[1][layer]).shape
    gradient, activation = jax.grad(logit, has_aux=True)(jnp.zeros(shape, jnp.float32))
    weights = gradient.mean(axis=(0, 1, 2))
    found = jax.nn.relu(activation[0] @ weights)
    return found / jnp.maximum(found.max(), jnp.finfo(found.dtype).tiny)
