"""Hugging Face transformers' `ResNetModel`: the network of `ResNetForImageClassification` without its head."""

from dataclasses import replace
from functools import partial

from tljax.weights.formats import huggingface

LAYERS = huggingface.layers(prefix="")

FORMAT = replace(
    huggingface.FORMAT,
    title="Hugging Face transformers, backbone",
    stem=LAYERS.stem(),
    identify=partial(LAYERS.identify, variant="torch_v1.5"),
    names=LAYERS.names,
)
