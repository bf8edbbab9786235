"""Hugging Face transformers' `ResNetForImageClassification`, such as microsoft/resnet-50."""

from dataclasses import replace

from tljax.weights.formats import torchvision
from tljax.weights.names import NameMap

FORMAT = replace(
    torchvision.FORMAT,
    title="Hugging Face transformers",
    names=NameMap(
        layout="torch",
        stem_conv="resnet.embedder.embedder.convolution",
        stem_norm="resnet.embedder.embedder.normalization",
        conv="resnet.encoder.stages.{stage}.layers.{block}.layer.{conv}.convolution",
        norm="resnet.encoder.stages.{stage}.layers.{block}.layer.{conv}.normalization",
        shortcut_conv="resnet.encoder.stages.{stage}.layers.{block}.shortcut.convolution",
        shortcut_norm="resnet.encoder.stages.{stage}.layers.{block}.shortcut.normalization",
        head="classifier.1",
        first_stage=0,
        first_conv=0,
    ),
    rule="transformers names: strides as its default, downsample_in_bottleneck=False, has them (v1.5), "
    "input as ImageNet's (RGB / 255, mean and std)",
)
