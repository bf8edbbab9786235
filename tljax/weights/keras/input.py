"""Finds what a Keras model does to the pixels before they reach its network."""

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import takewhile
from typing import Any

from tljax.weights.files import Source
from tljax.weights.keras.files import Layer, models, tensor_of, values
from tljax.weights.keras.graph import IDENTITIES, INPUT
from tljax.weights.match import Match

NORMALIZATION = r"(^|/)(normalization(_\d+)?)/"  # a layer that users put before the network

SAME_PIXELS = {  # layers that at most move or repeat pixels
    *IDENTITIES,
    *("InputLayer", "Resizing", "CenterCrop", "Cropping2D", "ZeroPadding2D", "UpSampling2D", "Concatenate"),
}
AUGMENTATION = "Random"  # prefix of the names of layers that are identities in inference
PREPROCESS_INPUT = {  # of Keras' ResNet50, as a model's description states it
    "nn.bias_add(__operators__.getitem(input, ..., -1), -103.939, -116.779, -123.68)",  # Keras 2
    "Add(Stack(GetItem(input, ..., 2), GetItem(input, ..., 1), GetItem(input, ..., 0)), -103.939, -116.779, -123.68)",
}
OF_PIXELS = r"(rescaling|lambda|tf\..+)(_\d+)?"  # Keras' default names of layers without tensors that change pixels
PREPROCESS_INPUT_NAMES = r"tf\.__operators__\.getitem(_\d+)?|tf\.nn\.bias_add(_\d+)?"


def layers_before(source: Source, match: Match) -> list[str]:
    """Returns the layers that change the pixels before they reach the network, as far as the file shows them."""
    first_tensor = match.prefix + match.form.stem[0]
    new = match.form.rename(source.tensors) if match.form.rename else {}
    written_so = {canonical: theirs for theirs, canonical in new.items()}.get(first_tensor, first_tensor)
    *places, stem = written_so.rpartition("/")[0].split("/")
    is_caffe = match.form.normalisation == "caffe"  # the input that ResNet50's preprocess_input gives
    found = [name for model in source.models for name in described(model, stem, is_caffe)]
    first = {stem, *places}
    listed = written(list(takewhile(lambda name: name not in first, source.layers)), is_caffe)
    normalised = (re.search(NORMALIZATION, name) for name in source.tensors)
    found += [*([] if source.models else listed), *(layer[2] for layer in normalised if layer)]
    own = match.form.input_layers
    return [name for name in dict.fromkeys(found) if own is None or not re.search(own, name)]


def described(model: Mapping[str, Layer], stem: str, is_caffe: bool = True) -> list[str]:
    """Returns the layers of `model` that change the pixels, if the network is the model or among its layers.

    stem: the network's first convolution. is_caffe: whether ResNet50's `preprocess_input` computes the network's input.
    """
    network = next((name for name, layer in model.items() if name == stem or _holds(layer, stem)), None)
    if network is None:
        return []
    found = [name for name in _before(model, network) if not _keeps_pixels(model[name])]
    given = [_computation(model, name) for name in model[network].inputs]
    return [] if is_caffe and len(given) == 1 and given[0] in PREPROCESS_INPUT else found


def written(layers: Collection[str], is_caffe: bool = True) -> list[str]:
    """Returns the layers that change the pixels, found only by the names of the layers before the network."""
    found = [name for name in layers if re.fullmatch(OF_PIXELS, name)]
    return [] if is_caffe and all(re.fullmatch(PREPROCESS_INPUT_NAMES, name) for name in found) else found


def _holds(layer: Layer, stem: str) -> bool:
    return any(stem in inner for inner in models(layer.config))


def _before(model: Mapping[str, Layer], network: str) -> list[str]:
    """Returns the layers before `network`; in a model that is not a sequence, those on which its input depends."""
    names = list(model)
    if not any(layer.inputs for layer in model.values()):
        return names[: names.index(network)]
    found, new = set(), {network}
    while new:
        new = {source for name in new for source in model[name].inputs if source in model} - found
        found |= new
    return [name for name in names if name in found]


def _keeps_pixels(layer: Layer) -> bool:
    inner = list(models(layer.config))
    if inner:
        return all(_keeps_pixels(member) for model in inner for member in model.values())
    return layer.kind in SAME_PIXELS or layer.kind.startswith(AUGMENTATION)


def _computation(model: Mapping[str, Layer], name: str) -> str:
    layer = model.get(name)
    if layer is None or not layer.inputs:
        return INPUT
    if _keeps_pixels(layer) and len(layer.inputs) == 1:
        return _computation(model, layer.inputs[0])
    arguments = ", ".join(_arguments(layer.calls, model))
    return f"{layer.config.get('function', layer.kind)}({arguments})"


def _arguments(call: Any, model: Mapping[str, Layer]) -> Iterator[str]:
    """Yields the computations, numbers and ellipses that are the arguments of a call."""
    if isinstance(call, Mapping) and call.get("class_name") == "__keras_tensor__":
        call = call["config"]["keras_history"]  # without the shape
    source = tensor_of(call)
    if source is not None:
        yield _computation(model, source)
        call = call[3:]
    elif isinstance(call, Mapping) and call.get("class_name") == "__ellipsis__":
        yield "..."
    elif isinstance(call, int | float) and not isinstance(call, bool):
        yield f"{call:.6g}"
    for value in values(call):
        yield from _arguments(value, model)
