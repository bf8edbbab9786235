"""Describes in words what the layers of a Keras model compute, to compare two networks layer by layer."""

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NoReturn

from tljax.core.errors import UserError
from tljax.weights.keras.files import Layer

IDENTITIES = {  # layers that do nothing in inference
    *("Dropout", "SpatialDropout2D", "GaussianDropout", "AlphaDropout", "GaussianNoise", "ActivityRegularization"),
    "Identity",
}
NO_RELU = ("max_value", "negative_slope", "threshold")  # options of Keras' ReLU that change the function
INPUT = "input"


def convolution(x: str, stride: object, padding: object, rest: str = "") -> str:
    return f"convolution({x}, stride {stride}, padding {padding}{rest})"


def max_pool(x: str, size: object, stride: object, padding: object) -> str:
    return f"max_pool({x}, size {size}, stride {stride}, padding {padding})"


def average_pool(x: str, size: object, stride: object, padding: object) -> str:
    return f"average_pool({x}, size {size}, stride {stride}, padding {padding})"


def batch_norm(x: str) -> str:
    return f"batch_norm({x})"


def relu(x: str) -> str:
    return f"relu({x})"


def add(inputs: Collection[str]) -> str:
    return f"add({', '.join(sorted(inputs))})"


def join(inputs: Collection[str]) -> str:
    return f"Concatenate({', '.join(inputs)})"


def scaled_add(x: str, y: str, scale: object) -> str:
    return f"scaled_add({x}, {y}, scale {scale})"


def differences(
    model: Mapping[str, Layer], wanted: Mapping[str, str], ends: Mapping[str, str]
) -> Iterator[tuple[str, str, str]]:
    """Yields, for each layer that differs, its name, what it computes and what it should compute.

    The end of the network comes last. wanted: the file's name of each of our layers -> what it should compute. ends: as
    for `Graph`, in order.
    """
    graph = Graph(model, wanted.keys(), ends)
    for layer, computation in wanted.items():
        found = graph.computation(layer) if layer in model else "not described"
        if found != computation:
            yield layer, found, computation
    computation, end = list(ends.items())[-1]
    if end not in map(graph.reference, model):
        yield end, "not there", computation


def refuse_difference(path: Path, difference: tuple[str, str, str], ours: str) -> NoReturn:
    """Raises UserError for a difference that `differences` found. ours: the network that has the wanted layer."""
    layer, found, wanted = difference
    raise UserError(f"{path} describes another network than ours: '{layer}' is {found}, where {ours} has {wanted}")


class Graph:
    """A Keras model, as computations in words.

    The computation of a layer is stated in terms of the nearest earlier layers among `own`, the layers of the network.
    ends: a computation -> the name to use for it. Layers before the network are left out: what they compute from the
    input is still called the input.
    """

    def __init__(self, layers: Mapping[str, Layer], own: Collection[str], ends: Mapping[str, str]):
        self.layers, self.own, self.ends = layers, own, ends
        self.reference = cache(self._reference)

    def _reference(self, name: str) -> str:
        if name in self.own or name not in self.layers:
            return name
        computation = self.computation(name)
        return self.ends.get(computation, computation)

    def computation(self, name: str) -> str:
        layer = self.layers[name]
        inputs = [self.reference(source) for source in layer.inputs] or [INPUT]
        match layer.kind:
            case "Conv2D":
                return self._convolution(layer)
            case "MaxPooling2D" | "AveragePooling2D":
                size = _one(layer.config.get("pool_size"))
                stride = _one(layer.config.get("strides") or size)
                pool = max_pool if layer.kind == "MaxPooling2D" else average_pool
                return pool(*self._padded(layer, size, stride))
            case "ZeroPadding2D":
                padding = _one(layer.config.get("padding"))
                return f"zero_padding({inputs[0]}, {padding})" if padding else inputs[0]
            case "BatchNormalization" if name in self.own:
                return batch_norm(inputs[0])
            case "Add":
                return add(inputs)
            case "CustomScaleLayer" if len(inputs) == 2:  # of Keras' Inception-ResNet-V2
                return scaled_add(inputs[0], inputs[1], layer.config.get("scale"))
            case "Lambda" if len(inputs) == 2 and (layer.config.get("arguments") or {}).keys() == {"scale"}:  # the same
                return scaled_add(inputs[0], inputs[1], layer.config["arguments"]["scale"])
            case "Activation":
                return _activated(layer.config.get("activation"), inputs[0])
            case "ReLU" if not any(layer.config.get(option) for option in NO_RELU):
                return relu(inputs[0])
            case kind if kind in IDENTITIES:
                return inputs[0]
        return INPUT if set(inputs) == {INPUT} else f"{layer.kind}({', '.join(inputs)})"

    def _convolution(self, layer: Layer) -> str:
        config = layer.config
        stride = _one(config.get("strides"))
        x, _, _, padding = self._padded(layer, _one(config.get("kernel_size")), stride)
        options = {option: _one(config.get(option, 1)) for option in ("dilation_rate", "groups")}
        rest = "".join(f", {option} {value}" for option, value in options.items() if value != 1)
        return _activated(config.get("activation"), convolution(x, stride, padding, rest))

    def _padded(self, layer: Layer, size: object, stride: object) -> tuple[str, object, object, object]:
        """Returns input, size, stride and padding of a window. Padding by a separate layer before it is included."""
        padding, source = _own_padding(layer.config.get("padding"), size, stride), next(iter(layer.inputs), INPUT)
        before = self.layers.get(source)
        if before and before.kind == "ZeroPadding2D":
            source, zeros = next(iter(before.inputs), INPUT), _one(before.config.get("padding"))
            padding = zeros if padding == 0 else padding if zeros == 0 else f"{zeros} and {padding}"
        return self.reference(source), size, stride, padding


def _own_padding(padding: str | None, size: object, stride: object) -> object:
    if padding == "valid" or size == 1:
        return 0
    return size // 2 if stride == 1 and isinstance(size, int) and size % 2 else f"'{padding}'"


def _activated(activation: object, x: str) -> str:
    return x if activation in (None, "linear") else f"{activation}({x})"


def _one(value: object) -> object:
    """Returns a size, stride or padding as one number if it is the same on all sides, else all numbers."""
    if not value or not isinstance(value, list | tuple):
        return value
    sides = [_one(side) for side in value]
    return sides[0] if sides.count(sides[0]) == len(sides) else tuple(sides)
