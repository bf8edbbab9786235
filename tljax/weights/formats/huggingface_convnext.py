"""Hugging Face transformers' `ConvNextModel` and `ConvNextForImageClassification`."""

from dataclasses import replace
from functools import partial

from tljax.weights.convnext import reference
from tljax.weights.convnext.names import Layers, rule
from tljax.weights.formats import torchvision_convnext
from tljax.weights.names import Names, kernel, renamed
from tljax.weights.reference import by_torch

LAYERS = Layers(
    stem="embeddings.patch_embeddings",
    stem_norm="embeddings.layernorm",
    down_norm="encoder.stages.{stage}.downsampling_layer.0",
    down_conv="encoder.stages.{stage}.downsampling_layer.1",
    block="encoder.stages.{stage}.layers.{block}.",
    depthwise="dwconv",
    norm="layernorm",
    up="pwconv1",
    down="pwconv2",
    scale="layer_scale_parameter",
    last_norm="layernorm",
)


def _whole(architecture: str, variant: str) -> Names:
    """Returns the names of a network with its head."""
    body = renamed(LAYERS.names(architecture, variant), lambda name: f"convnext.{name}")
    return body | kernel("torch", "head", "classifier")


FORMAT = replace(
    torchvision_convnext.FORMAT,
    title="Hugging Face transformers, ConvNeXt",
    stem=("embeddings.patch_embeddings.weight", "embeddings.patch_embeddings.bias"),
    identify=partial(LAYERS.identify, variant="transformers"),
    names=LAYERS.names,
    rule=rule("transformers' names", last_epsilon="1e-12"),
    licence="Apache-2.0 for Meta's weights on its hub",
    own_head=None,
    exports=False,
    reference=by_torch("transformers", reference.of_transformers, _whole),
)
