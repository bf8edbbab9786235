"""Hugging Face transformers' `ResNetModel`: the network of `ResNetForImageClassification` without its head."""

from dataclasses import replace

from tljax.weights.formats import huggingface

FORMAT = replace(
    huggingface.FORMAT,
    title="Hugging Face transformers, backbone",
    names=huggingface.names(prefix=""),
)
