"""Runs Keras' own networks on Keras' JAX backend, to check conversions from Keras."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import keras


def outputs(
    name: str,
    layers: Mapping[str, str],
    tensors: Mapping[str, np.ndarray],
    images: np.ndarray,
    epsilon: float | None = None,
) -> dict[str, np.ndarray]:
    """Returns activations `b h w c` and, if there is a head, logits `b k`, in inference mode.

    name: that of a function in keras.applications. layers: our layer -> the Keras layer with the same output; `logits`
    is not used if there is no head. tensors: all tensors of the network by Keras' current names, 'conv1_conv/kernel'.
    images: normalised, `b h w c`. epsilon: that of every BatchNorm; None: Keras' current one.
    """
    keras.utils.clear_session()  # Keras then numbers its layers from 0
    head = tensors.get(f"{layers['logits']}/bias")
    network = getattr(keras.applications, name)(
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
    wanted = {ours: theirs for ours, theirs in layers.items() if ours != "logits" or head is not None}
    probe = keras.Model(network.input, {ours: network.get_layer(theirs).output for ours, theirs in wanted.items()})
    with jax.default_matmul_precision("highest"):  # else a GPU or TPU would round to less than float32
        quiet: Any = 0  # Keras' type annotation allows only text
        return probe.predict(images, verbose=quiet)
