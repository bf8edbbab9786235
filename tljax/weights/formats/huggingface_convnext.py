"""Hugging Face transformers' `ConvNextModel` and `ConvNextForImageClassification`."""

from dataclasses import replace

from tljax.models.convnext import ARCHITECTURES
from tljax.weights.formats import torchvision_convnext
from tljax.weights.formats.torchvision_convnext import Layers, rule

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

FORMAT = replace(
    torchvision_convnext.FORMAT,
    title="Hugging Face transformers, ConvNeXt",
    stem=("embeddings.patch_embeddings.weight", "embeddings.patch_embeddings.bias"),
    identify=lambda shapes: (LAYERS.architecture(shapes), "transformers"),
    names=lambda architecture, variant: LAYERS.names(ARCHITECTURES[architecture]),
    rule=rule("transformers' names", last_epsilon="1e-12"),
    licence="Apache-2.0 for Meta's weights on its hub",
    own_head=None,
    exports=False,
)
