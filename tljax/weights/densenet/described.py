"""Compares a Keras file's description of a DenseNet's layers with ours."""

from collections.abc import Mapping

import numpy as np

from tljax.models.densenet import ARCHITECTURES, VARIANTS, Architecture
from tljax.weights.files import Source
from tljax.weights.formats import Description
from tljax.weights.keras.epsilon import common_epsilon, fit_epsilon
from tljax.weights.keras.graph import (
    INPUT,
    average_pool,
    batch_norm,
    convolution,
    differences,
    join,
    max_pool,
    refuse_difference,
    relu,
)
from tljax.weights.keras.own_layers import model_with, own_layers
from tljax.weights.match import Match


def describe(source: Source, match: Match) -> Description:
    """Returns the epsilon of BatchNorm that Keras' description of the layers states.

    Raises UserError, which names the first layer that differs from ours.
    """
    layers = own_layers(match)
    model = model_with(source, layers["conv1"])
    if model is None:
        return Description()
    for difference in differences(model, *_expected(layers, ARCHITECTURES[match.backbone])):
        refuse_difference(source.path, difference, match.backbone)
    norms = [model[theirs] for ours, theirs in layers.items() if ours.startswith("bn") or ours.endswith("norm")]
    return Description(compatible=("keras", "torch"), epsilon=common_epsilon(source, norms))


def fit(tensors: dict[str, np.ndarray], variant: str, description: Description) -> list[str]:
    """Changes the variances in place to fit the epsilon of `variant`; returns in words what it did."""
    return fit_epsilon(tensors, VARIANTS[variant].epsilon, description.epsilon)


def _expected(layers: Mapping[str, str], size: Architecture) -> tuple[dict[str, str], dict[str, str]]:
    """Returns what each of our layers computes, by the file's names, and the name of each layer's last computation."""
    wanted, ends = {}, {}

    def norm_conv(place: str, x: str, padding: int) -> str:
        norm, conv = layers[f"{place}.norm"], layers[f"{place}.conv"]
        wanted[norm], wanted[conv] = batch_norm(x), convolution(relu(norm), 1, padding)
        return conv

    conv, norm = layers["conv1"], layers["bn1"]
    wanted[conv], wanted[norm] = convolution(INPUT, 2, 3), batch_norm(conv)
    x = max_pool(relu(norm), 3, 2, 1)
    for block, count in enumerate(size.blocks):
        if block:
            x = average_pool(norm_conv(f"transitions.{block - 1}", x, 0), 2, 2, 0)
        for layer in range(count):
            place = f"blocks.{block}.{layer}"
            grown = norm_conv(f"{place}.grow", norm_conv(f"{place}.narrow", x, 0), 1)
            joined = join([x, grown])
            x = ends[joined] = f"block{block + 1}.{layer}"
    last = layers["bn2"]
    wanted[last] = batch_norm(x)
    ends[relu(last)] = f"block{len(size.blocks)}"
    return wanted, ends
