"""A ResNet as keras.applications builds ResNet50, of any size: what writes the tests' Keras files and runs them."""

from contextlib import ExitStack

import jax
import keras
import numpy as np
from keras import layers

from tljax.models.resnet import Architecture
from tljax.weights.resnet.names import Layers


def loosened() -> ExitStack:
    """Keras relies on the promotions that the house rules forbid."""
    stack = ExitStack()
    stack.enter_context(jax.numpy_dtype_promotion("standard"))
    stack.enter_context(jax.numpy_rank_promotion("allow"))
    return stack


def build(
    architecture: Architecture,
    names: Layers,
    num_classes: int,
    shape: tuple,
    epsilon: float = 1.001e-5,
    stride_in_first: bool = True,
):
    """The network, its layers called by `names`, and its outputs: five activations and logits."""

    def conv_norm(x, conv: str, norm: str, filters: int, size: int = 1, stride: int = 1, relu: bool = True):
        x = layers.ZeroPadding2D(1)(x) if size == 3 and stride > 1 else x
        x = layers.Conv2D(filters, size, strides=stride, padding="same" if stride == 1 else "valid", name=conv)(x)
        x = layers.BatchNormalization(epsilon=epsilon, name=norm)(x)
        return layers.ReLU()(x) if relu else x

    inputs = layers.Input(shape)
    x = layers.ZeroPadding2D(3)(inputs)
    x = conv_norm(x, names.stem_conv, names.stem_norm, architecture.width, 7, 2)
    outputs = {"conv1": x}
    x = layers.MaxPooling2D(3, strides=2)(layers.ZeroPadding2D(1)(x))
    for stage, count in enumerate(architecture.blocks):
        width = architecture.width * 2**stage
        for block in range(count):
            stride = 2 if stage > 0 and block == 0 else 1
            layer, place = names.block_layers(architecture, stage, block), f"stages.{stage}.{block}"

            def unit(y, index, filters, size=1, stride=1, relu=True, layer=layer, place=place):
                conv, norm = f"{place}.{index.format('conv')}", f"{place}.{index.format('bn')}"
                return conv_norm(y, layer[conv], layer[norm], filters, size, stride, relu)

            shortcut = unit(x, "shortcut_{}", 4 * width, stride=stride, relu=False) if block == 0 else x
            y = unit(x, "{}1", width, stride=stride if stride_in_first else 1)
            y = unit(y, "{}2", width, 3, stride=1 if stride_in_first else stride)
            y = unit(y, "{}3", 4 * width, relu=False)
            x = layers.ReLU()(layers.Add()([shortcut, y]))
        outputs[f"block{stage + 1}"] = x
    if num_classes:
        x = layers.GlobalAveragePooling2D()(x)
        outputs["logits"] = layers.Dense(num_classes, name=names.head)(x)
    return keras.Model(inputs, outputs["logits"] if num_classes else x), keras.Model(inputs, outputs)


def fill(network: keras.Model, state: dict[str, np.ndarray]) -> None:
    """Sets the weights by 'layer/leaf'."""
    for layer in network.layers:
        layer.set_weights([state[f"{layer.name}/{weight.name}"] for weight in layer.weights])
