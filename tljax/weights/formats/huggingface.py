"""Hugging Face transformers' `ResNetForImageClassification`, such as microsoft/resnet-50."""

from dataclasses import replace
from functools import partial

from tljax.weights.formats import torchvision
from tljax.weights.resnet.names import Layers


def layers(prefix: str, head: str | None = None) -> Layers:
    block = prefix + "encoder.stages.{stage}.layers.{block}."
    return Layers(
        layout="torch",
        stem_conv=f"{prefix}embedder.embedder.convolution",
        stem_norm=f"{prefix}embedder.embedder.normalization",
        conv=block + "layer.{conv}.convolution",
        norm=block + "layer.{conv}.normalization",
        shortcut_conv=block + "shortcut.convolution",
        shortcut_norm=block + "shortcut.normalization",
        head=head,
        first_stage=0,
        first_conv=0,
    )


LAYERS = layers("resnet.", "classifier.1")

FORMAT = replace(
    torchvision.FORMAT,
    title="Hugging Face transformers",
    stem=LAYERS.stem(),
    identify=partial(LAYERS.identify, variant="torch_v1.5"),
    names=LAYERS.names,
    exports=False,
    own_head=None,
    rule="names of transformers: strides as by its default, downsample_in_bottleneck=False (v1.5), "
    "input as for ImageNet (RGB / 255, mean and std)",
)
