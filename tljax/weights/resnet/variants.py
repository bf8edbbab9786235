"""Converts the tensors of a ResNet to a variant, without changing what the network computes."""

from collections.abc import Mapping

import numpy as np

from tljax.models.resnet import VARIANTS
from tljax.weights.card import WeightsCard
from tljax.weights.formats import Description
from tljax.weights.keras.epsilon import fit_epsilon


def is_conv(name: str) -> bool:
    """Returns whether one of our tensors belongs to a convolution."""
    return "conv" in name.split(".")[-2]


def norm_after(conv: str) -> str:
    """Returns the BatchNorm layer after one of our convolutions."""
    place, dot, layer = conv.rpartition(".")
    return place + dot + layer.replace("conv", "bn")


def fit(tensors: dict[str, np.ndarray], variant: str, description: Description) -> list[str]:
    """Changes biases and variances in place to fit `variant`; returns in words what it did."""
    wanted, remarks = VARIANTS[variant], []
    convs = [name.removesuffix(".kernel") for name in tensors if name.endswith(".kernel") and is_conv(name)]
    has_biases = "conv1.bias" in tensors
    if wanted.conv_bias and not has_biases:
        for conv in convs:
            tensors[f"{conv}.bias"] = np.zeros(tensors[f"{conv}.kernel"].shape[-1], np.float32)
        remarks.append("convolution biases, which the file lacks, set to zero")
    if has_biases and not wanted.conv_bias:
        for conv in convs:
            tensors[f"{norm_after(conv)}.mean"] -= tensors.pop(f"{conv}.bias")
        remarks.append("convolution biases subtracted from the means of the BatchNorm that follows")
    return remarks + fit_epsilon(tensors, wanted.epsilon, description.epsilon)


def export_note(card: WeightsCard, tensors: Mapping[str, np.ndarray]) -> str:
    """Returns what a user of an exported file must know: its strides, biases and epsilon."""
    variant = VARIANTS[card.variant]
    biases = sum(is_conv(name) and name.endswith(".bias") for name in tensors)
    if not variant.stride_in_first and not biases:
        return f"the names and strides are those of torchvision's {card.backbone}, which loads the file unchanged"
    return (
        f"a {card.variant} network: its {biases} convolution biases are in the file (conv1.bias, ...), the stride of a "
        f"stage is in its first 1x1 convolution, BatchNorm's epsilon is {variant.epsilon:g}; torchvision's "
        f"{card.backbone} gives wrong results unless it is given all three"
    )
