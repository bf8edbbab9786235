"""Keras' own ResNets, on Keras' JAX backend, that a conversion from Keras is checked against."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import keras


def outputs(
    name: str,
    blocks: Sequence[int],
    tensors: Mapping[str, np.ndarray],
    images: np.ndarray,
    epsilon: float | None = None,
) -> dict[str, np.ndarray]:
    """Returns activations `b h w c` and, where there is a head, logits `b k`, in inference mode.

    name: 'ResNet50', 'ResNet101' or 'ResNet152', of `blocks` in each stage. tensors: all of the network's, by Keras'
    present names, 'conv1_conv/kernel'. images: normalised, `b h w c`. epsilon: of every BatchNorm, where it is not
    Keras' present one.
    """
    head = tensors.get("predictions/bias")
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
    wanted = {"conv1": "conv1_relu"} | ({} if head is None else {"logits": "predictions"})
    wanted |= {f"block{stage}": f"conv{stage + 1}_block{count}_out" for stage, count in enumerate(blocks, start=1)}
    probe = keras.Model(network.input, {name: network.get_layer(layer).output for name, layer in wanted.items()})
    with jax.default_matmul_precision("highest"):  # else a GPU or TPU would round to less than float32
        quiet: Any = 0  # Keras' annotation takes text alone
        return probe.predict(images, verbose=quiet)
