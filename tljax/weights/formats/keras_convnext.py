"""Keras' ConvNeXts, with or without top: `.h5` (weights or saved model), `.weights.h5`, `.keras`.

Keras puts the name of the model before the names of its layers: `convnext_tiny_stem_conv`. Here they are `stem_conv`,
wherever the file keeps them. The network itself first normalises pixels 0..255, exactly as tljax does for ImageNet.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from tljax.core.errors import UserError
from tljax.models.convnext import ARCHITECTURES, KERNEL, VARIANTS
from tljax.weights.convert import Conversion
from tljax.weights.files import Source
from tljax.weights.formats import Description, keras
from tljax.weights.formats.torchvision_convnext import Layers, rule
from tljax.weights.keras.files import Layer
from tljax.weights.match import Match
from tljax.weights.reference import LOGITS, tensors_by

LAYERS = Layers(
    stem="stem_conv",
    stem_norm="stem_layernorm",
    down_norm="downsampling_layernorm_{before}",
    down_conv="downsampling_conv_{before}",
    block="stage_{stage}_block_{block}_",
    depthwise="depthwise_conv",
    norm="layernorm",
    up="pointwise_conv_1",
    down="pointwise_conv_2",
    scale="layer_scale/gamma",
    last_norm="head_layernorm",
    head="head_dense",
    layout="keras",
)
NETWORKS = {  # our architecture -> the function in keras.applications
    "convnext_tiny": "ConvNeXtTiny",
    "convnext_small": "ConvNeXtSmall",
    "convnext_base": "ConvNeXtBase",
}
# the stem and the layers between stages are nested models, which some files name by their class
NAME = re.compile(
    r"(?P<outer>(?:[^/]+/)*?)(?:sequential(?:_\d+)?/|[^/]+_(?:stem|downsampling_block_\d+)/)*(?P<model>[^/]*?)"
    r"(?P<layer>(?:stem_conv|stem_layernorm|downsampling_(?:conv|layernorm)_\d+|head_layernorm|head_dense|"
    r"stage_\d+_block_\d+_(?:depthwise_conv|layernorm|pointwise_conv_\d|layer_scale)))/(?P<leaf>[^/]+)"
)
WITHOUT_TOP = re.compile(r"(?P<outer>(?:[^/]+/)*?)layer_normalization(?:_(?P<number>\d+))?/(?P<leaf>[^/]+)")
NO_NORMALISATION = (
    "the network does not normalise its input (include_preprocessing=False), so ImageNet's input is assumed; if it is "
    "another one, use --normalisation"
)
OF_NORM = {"kernel": "gamma", "bias": "beta"}  # Keras 3 numbers the weights of a layer


def rename(tensors: Mapping[str, Any]) -> dict[str, str]:
    """Returns the names of a file without the name of the model; the names of a second network are left as they are."""
    found, models = {}, {}
    for name in tensors:
        if (match := NAME.fullmatch(name)) and models.setdefault(match["outer"], match["model"]) == match["model"]:
            found[name] = f"{match['outer']}{match['layer']}/{_leaf(match['layer'], match['leaf'])}"
    for outer in models:
        norms = [match for name in tensors if (match := WITHOUT_TOP.fullmatch(name)) and match["outer"] == outer]
        first = min((int(match["number"] or 0) for match in norms), default=None)
        if not any(name.startswith(f"{outer}head_layernorm/") for name in found.values()):
            of_first = (match for match in norms if int(match["number"] or 0) == first)
            found |= {match[0]: f"{outer}head_layernorm/{_leaf('layernorm', match['leaf'])}" for match in of_first}
    return found


def _leaf(layer: str, leaf: str) -> str:
    if layer.endswith("layer_scale"):
        return "gamma"  # the layer's only tensor; its name differs between versions of Keras
    return OF_NORM.get(leaf, leaf) if "layernorm" in layer else leaf


def describe(source: Source, match: Match) -> Description:
    """Returns the variant that Keras' description of the layers shows.

    Raises UserError, which names the first layer that differs, if the description is of another network than ours.
    """
    described = {name: layer for model in source.models for name, layer in model.items()}
    own = {ours.rpartition(".")[0]: _layer_of(where) for ours, where in match.body.items()}
    if own["stages.0.0.depthwise"] not in described:
        return _by_order(source, match, own["norm"])
    for ours, theirs in own.items():
        for option, wanted in _options(ours).items():
            found = _one(described[theirs].config.get(option)) if theirs in described else "not described"
            if found != wanted:
                raise UserError(
                    f"{source.path} describes another network than ours: '{theirs}' has {option} {found}, where a "
                    f"ConvNeXt has {wanted}"
                )
    inner = next(model for model in source.models if own["stages.0.0.depthwise"] in model)
    has_own = any(re.search(FORMAT.input_layers or "", name) for name in inner)
    variant = _variant(source, inner, own["norm"])
    alike = ("keras", "torch") if variant == "keras" else (variant,)
    return Description(variant, alike, remarks=() if has_own else (NO_NORMALISATION,))


def _by_order(source: Source, match: Match, norm: str) -> Description:
    """Returns whether pooling follows the last LayerNorm, if the layers that a file of weights lists show it."""
    pools = [name for name in source.layers if re.fullmatch(r"global_average_pooling2d(_\d+)?", name)]
    listed = list(source.layers)
    if pools and (match.prefix or (norm in listed and listed.index(pools[0]) > listed.index(norm))):
        return Description("keras_norm_first", remarks=(f"'{pools[0]}' follows the last LayerNorm",))
    pooled = any(re.fullmatch(r"global_\w+_pooling2d(_\d+)?", name) for name in listed)
    if listed and not pooled and not match.prefix and not match.has_head:  # an outer model may not list its layers
        return Description("keras_norm_first", remarks=("no layer pools, so pooling follows the last LayerNorm",))
    return Description()


def _layer_of(where: Any) -> str:
    return str(getattr(where, "name", where)).split("/")[-2]


def _options(ours: str) -> dict[str, Any]:
    """Returns the options that Keras' description must state for one of our layers."""
    *_, layer = ours.split(".")
    if "norm" in ours:
        return {"epsilon": VARIANTS["keras"].epsilon}
    if layer in ("up", "down"):
        return {"activation": "linear"}
    if layer == "depthwise":
        return {"strides": 1, "padding": "same", "dilation_rate": 1, "activation": "linear", "kernel_size": KERNEL}
    if ours == "stem" or ours.startswith("down_convs"):
        stride = 4 if ours == "stem" else 2
        return {"strides": stride, "padding": "valid", "dilation_rate": 1, "activation": "linear"}
    return {}


def _one(value: Any) -> Any:
    """Returns the number that all sides share, or the value itself if they differ."""
    return value[0] if isinstance(value, list | tuple) and len(set(value)) == 1 else value


def _variant(source: Source, layers: Mapping[str, Layer], norm: str) -> str:
    """Returns the variant, which the input of the last LayerNorm shows.

    Raises UserError if the pooling is not an average, or if a GELU is not the exact one.
    """
    for name, layer in layers.items():
        if name.endswith("_gelu") and layer.config.get("activation") != "gelu":
            raise UserError(f"{source.path} describes another network than ours: '{name}' is not an exact GELU")
    before = [layers[name].kind for name in layers[norm].inputs if name in layers]
    if before == ["GlobalAveragePooling2D"]:
        return "keras"
    if before and before[0].startswith("Global"):
        raise UserError(f"{source.path} describes another network than ours: '{norm}' takes {before[0]}")
    return "keras_norm_first"


def reference(source: Source, conversion: Conversion, images: np.ndarray) -> tuple[str, dict[str, np.ndarray]]:
    """Returns the name and the outputs of keras.applications' network. Raises UserError if there is none."""
    card = conversion.card
    if card.backbone not in NETWORKS or card.variant not in ("keras", "keras_norm_first"):
        raise UserError(f"keras.applications has no {card.backbone} of variant {card.variant} to compare with")
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import jax
    import keras

    tensors = tensors_by(LAYERS.names(card.backbone, card.variant), source, conversion)
    norm_first = VARIANTS[card.variant].norm_first
    network: Any = getattr(keras.applications, NETWORKS[card.backbone])(
        weights=None,
        include_top=False,
        include_preprocessing=False,
        pooling=None if norm_first else "avg",
        input_shape=images.shape[1:],
    )
    features = keras.layers.GlobalAveragePooling2D()(network.output) if norm_first else network.output
    head = tensors.get("head_dense/bias")
    logits = (
        {} if head is None else {LOGITS: keras.layers.Dense(len(head), name=f"{network.name}_head_dense")(features)}
    )
    ends = [operation.output for operation in network.operations if type(operation).__name__ == "Add"]
    last = np.cumsum(ARCHITECTURES[card.backbone].blocks) - 1
    stages = {f"stage{stage}": ends[block] for stage, block in enumerate(last, start=1)}
    stem = network.get_layer(f"{network.name}_stem").output
    probe: Any = keras.Model(network.input, {"stem": stem} | stages | logits)
    layers = [inner for outer in probe.layers for inner in getattr(outer, "layers", [outer])]
    names = rename(dict.fromkeys(f"{layer.name}/{weight.name}" for layer in layers for weight in layer.weights))
    for layer in layers:
        layer.set_weights([tensors[names[f"{layer.name}/{weight.name}"]] for weight in layer.weights])
    with jax.default_matmul_precision("highest"):  # else a GPU or TPU would round to less than float32
        return f"keras.applications.{NETWORKS[card.backbone]}", probe.predict(images, verbose=0)


FORMAT = replace(
    keras.FORMAT,
    title="Keras, ConvNeXt",
    family="convnext",
    stem=("stem_conv/kernel", "stem_conv/bias"),
    identify=partial(LAYERS.identify, variant="keras"),
    names=LAYERS.names,
    normalisation="imagenet",
    rule=rule(
        "Keras' layer names",
        "the network's own normalisation of pixels is the same",
        "for a network without top whose last LayerNorm is followed by the pooling, use --variant keras_norm_first "
        "(not needed if the file describes its layers)",
    ),
    rename=rename,
    input_layers=r"_prestem_normalization$",
    describe=describe,
    fit=None,
    reference=reference,
    licence="Apache-2.0 for Keras' code; its ImageNet weights are ported from the authors' (MIT)",
)
