"""Compares a Keras file's description of a ConvNeXt's layers with ours, and finds the place of its pooling."""

import re
from collections.abc import Mapping
from typing import Any

from tljax.core.errors import UserError
from tljax.models.convnext import KERNEL, VARIANTS
from tljax.weights.convnext.keras_names import OWN_NORMALISATION
from tljax.weights.files import Source
from tljax.weights.formats import Description
from tljax.weights.keras.files import Layer
from tljax.weights.keras.own_layers import model_with, own_layers
from tljax.weights.match import Match

NO_NORMALISATION = (
    "the network does not normalise its input (include_preprocessing=False), so ImageNet's input is assumed; if it is "
    "another one, use --normalisation"
)


def describe(source: Source, match: Match) -> Description:
    """Returns the variant that Keras' description of the layers shows.

    Raises UserError, which names the first layer that differs, if the description is of another network than ours.
    """
    own = own_layers(match)
    inner = model_with(source, own["stages.0.0.depthwise"])
    if inner is None:
        return _by_order(source, match, own["norm"])
    described = {name: layer for model in source.models for name, layer in model.items()}
    for ours, theirs in own.items():
        for option, wanted in _options(ours).items():
            found = _one(described[theirs].config.get(option)) if theirs in described else "not described"
            if found != wanted:
                raise UserError(
                    f"{source.path} describes another network than ours: '{theirs}' has {option} {found}, where a "
                    f"ConvNeXt has {wanted}"
                )
    has_own = any(re.search(OWN_NORMALISATION, name) for name in inner)
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
