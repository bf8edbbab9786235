"""Builds the original network of a DenseNet's file, which `--verify` runs with the file's tensors."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tljax.models.densenet import ARCHITECTURES, VARIANTS
from tljax.weights.card import WeightsCard
from tljax.weights.reference import LOGITS, Hook, Original

KERAS_NETWORKS = {"densenet121": "DenseNet121", "densenet169": "DenseNet169"}  # -> the function in keras.applications


def original(card: WeightsCard, tensors: Mapping[str, np.ndarray], shape: tuple[int, ...]) -> Original:
    """Returns torchvision's network."""
    import torch
    from torchvision.models import DenseNet  # pyright: ignore[reportMissingImports]

    size, classes = ARCHITECTURES[card.backbone], len(tensors.get("classifier.bias", [0]))
    blocks: Any = size.blocks  # torchvision's annotation asks for four
    network = DenseNet(size.growth, blocks, 2 * size.growth, num_classes=classes)
    has_relu = VARIANTS[card.variant].final_relu
    title = f"torchvision.models.{card.backbone}" + ("" if has_relu else " without its last ReLU")

    def last(y: torch.Tensor) -> torch.Tensor:
        return (torch.relu(y) if has_relu else y).permute(0, 2, 3, 1)

    return Original(title, network, _hooks(card.backbone, last), unread=("classifier.",))


def original_grey(card: WeightsCard, tensors: Mapping[str, np.ndarray], shape: tuple[int, ...]) -> Original:
    """Returns TorchXRayVision's network, built so that it does not resize its images."""
    import torch
    from torchxrayvision.models import DenseNet  # pyright: ignore[reportMissingImports]

    size = ARCHITECTURES[card.backbone]
    classes = len(tensors.get("classifier.bias", [0]))
    network = DenseNet(size.growth, size.blocks, 2 * size.growth, num_classes=classes, in_channels=1)

    def last(y: torch.Tensor) -> torch.Tensor:
        return torch.relu(y).permute(0, 2, 3, 1)

    hooks = _hooks(card.backbone, last)
    return Original("torchxrayvision.models.DenseNet", network, hooks, unread=("classifier.",))


def _hooks(backbone: str, last: Callable) -> dict[str, Hook]:
    """Returns where our layers are in torchvision's modules. last: applied to the output of the last BatchNorm."""
    count = len(ARCHITECTURES[backbone].blocks)
    blocks = {f"block{block}": Hook(f"features.denseblock{block}") for block in range(1, count)}
    return {"conv1": Hook("features.relu0"), **blocks, f"block{count}": Hook("features.norm5", last)}


def keras_layers(backbone: str) -> dict[str, str]:
    """Returns, for each of our named layers, the Keras layer with the same output."""
    counts = ARCHITECTURES[backbone].blocks[:-1]
    blocks = {f"block{block}": f"conv{block + 1}_block{count}_concat" for block, count in enumerate(counts, start=1)}
    return {"conv1": "conv1_relu", **blocks, f"block{len(counts) + 1}": "relu", LOGITS: "predictions"}
