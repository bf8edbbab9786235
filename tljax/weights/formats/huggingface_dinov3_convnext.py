"""Hugging Face transformers' `DINOv3ConvNextModel`, such as facebook/dinov3-convnext-tiny-pretrain-lvd1689m."""

from dataclasses import replace
from functools import partial

from tljax.weights.convnext.names import Layers, rule
from tljax.weights.formats import huggingface_convnext, renaming

LAYERS = Layers(
    stem="stages.0.downsample_layers.0",
    stem_norm="stages.0.downsample_layers.1",
    down_norm="stages.{stage}.downsample_layers.0",
    down_conv="stages.{stage}.downsample_layers.1",
    block="stages.{stage}.layers.{block}.",
    depthwise="depthwise_conv",
    norm="layer_norm",
    up="pointwise_conv1",
    down="pointwise_conv2",
    scale="gamma",
    last_norm="layer_norm",
)

FORMAT = replace(
    huggingface_convnext.FORMAT,
    title="Hugging Face transformers, DINOv3's ConvNeXt",
    stem=("stages.0.downsample_layers.0.weight", "stages.0.downsample_layers.0.bias"),
    identify=partial(LAYERS.identify, variant="torch"),
    names=LAYERS.names,
    rename=renaming((r"model\.stages\.", "stages.")),  # the names in memory; files have no such prefix
    rule=rule("transformers' names of DINOv3's ConvNeXt"),
    licence="DINOv3 License",
    reference=None,
)
