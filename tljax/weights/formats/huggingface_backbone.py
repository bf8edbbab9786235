"""Hugging Face transformers' `ResNetModel`: the network of `ResNetForImageClassification` without its head."""

from dataclasses import replace

from tljax.weights.formats import huggingface

NAMES = huggingface.names(prefix="")

FORMAT = replace(
    huggingface.FORMAT,
    title="Hugging Face transformers, backbone",
    stem=NAMES.stem(),
    identify=lambda shapes: (NAMES.architecture(shapes), "torch_v1.5"),
    names=NAMES.tensors,
)
