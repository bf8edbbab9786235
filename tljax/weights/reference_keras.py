"""Keras' own ResNet50, on Keras' JAX backend, that a conversion from Keras is checked against."""

import os
from collections.abc import Mapping

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import keras

LAYERS = {
    "conv1": "conv1_relu",
    "block1": "conv2_block3_out",
    "block2": "conv3_block4_out",
    "block3": "conv4_block6_out",
    "block4": "conv5_block3_out",
    "logits": "predictions",
}


def outputs(
    tensors: Mapping[str, np.ndarray], images: np.ndarray, epsilon: float | None = None
) -> dict[str, np.ndarray]:
    """Activations `b h w c` and, where there is a head, logits `b k` in inference mode of normalised images `b h w c`.

    tensors: all of the network's, by Keras' present names, 'conv1_conv/kernel'. epsilon: of every BatchNorm, where it
    is not Keras' present one.
    """
    head = tensors.get("predictions/bias")
    network = keras.applications.ResNet50(
        weights=None,
        include_top=head is not None,
        input_shape=images.shape[1:],
        classifier_activation=None,
        **({} if head is None else {"classes": len(head)}),
    )
    for layer in network.layers:
        layer.set_weights([tensors[f"{layer.name}/{weight.name}"] for weight in layer.weights])
        if epsilon is not None and isinstance(layer, keras.layers.BatchNormalization):
            layer.epsilon = epsilon
    wanted = {name: layer for name, layer in LAYERS.items() if head is not None or name != "logits"}
    probe = keras.Model(network.input, {name: network.get_layer(layer).output for name, layer in wanted.items()})
    with jax.default_matmul_precision("highest"):  # else a GPU or TPU would round to less than float32
        return probe.predict(images, verbose=0)
