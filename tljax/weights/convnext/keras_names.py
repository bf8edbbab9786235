"""Describes the names of a ConvNeXt's tensors in Keras.

Keras puts the name of the model before the names of its layers: `convnext_tiny_stem_conv`. Here they are `stem_conv`,
wherever the file keeps them.
"""

import re
from collections.abc import Mapping
from typing import Any

from tljax.weights.convnext.names import Layers

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
OWN_NORMALISATION = r"_prestem_normalization$"  # the layer by which the network normalises pixels 0..255
# the stem and the layers between stages are nested models, which some files name by their class
NAME = re.compile(
    r"(?P<outer>(?:[^/]+/)*?)(?:sequential(?:_\d+)?/|[^/]+_(?:stem|downsampling_block_\d+)/)*(?P<model>[^/]*?)"
    r"(?P<layer>(?:stem_conv|stem_layernorm|downsampling_(?:conv|layernorm)_\d+|head_layernorm|head_dense|"
    r"stage_\d+_block_\d+_(?:depthwise_conv|layernorm|pointwise_conv_\d|layer_scale)))/(?P<leaf>[^/]+)"
)
WITHOUT_TOP = re.compile(r"(?P<outer>(?:[^/]+/)*?)layer_normalization(?:_(?P<number>\d+))?/(?P<leaf>[^/]+)")
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
