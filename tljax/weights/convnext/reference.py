"""Builds and runs the original network of a ConvNeXt's file, for `--verify`."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tljax.core.errors import UserError
from tljax.models.convnext import ARCHITECTURES, VARIANTS
from tljax.weights.card import WeightsCard
from tljax.weights.convert import Conversion
from tljax.weights.convnext.keras_names import LAYERS as KERAS
from tljax.weights.convnext.keras_names import rename
from tljax.weights.convnext.names import STAGES
from tljax.weights.files import Source
from tljax.weights.reference import LOGITS, Hook, Original, tensors_by

Tensors = Mapping[str, np.ndarray]
KERAS_NETWORKS = {  # -> the function in keras.applications
    "convnext_tiny": "ConvNeXtTiny",
    "convnext_small": "ConvNeXtSmall",
    "convnext_base": "ConvNeXtBase",
}


def of_torchvision(card: WeightsCard, tensors: Tensors, shape: tuple[int, ...]) -> Original:
    """Returns torchvision's network."""
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt  # pyright: ignore[reportMissingImports]

    size = ARCHITECTURES[card.backbone]
    following = (*size.widths[1:], None)
    stages = [CNBlockConfig(*stage) for stage in zip(size.widths, following, size.blocks, strict=True)]
    network: Any = ConvNeXt(stages, num_classes=len(tensors.get("classifier.2.bias", [0])))
    network.classifier[0].eps = _last_epsilon(card)
    hooks = _hooks("features.0", [f"features.{2 * stage + 1}" for stage in range(STAGES)])
    return Original(f"torchvision's {card.backbone}", network, hooks, unread=("classifier.2.",))


def of_timm(card: WeightsCard, tensors: Tensors, shape: tuple[int, ...]) -> Original:
    """Returns timm's network."""
    from timm.models.convnext import ConvNeXt  # pyright: ignore[reportMissingImports]

    size = ARCHITECTURES[card.backbone]
    classes = len(tensors.get("head.fc.bias", ()))
    network: Any = ConvNeXt(depths=size.blocks, dims=size.widths, num_classes=classes)
    network.head.norm.eps = _last_epsilon(card)
    hooks = _hooks("stem", [f"stages.{stage}" for stage in range(STAGES)])
    return Original(f"timm's {card.backbone}", network, hooks)


def of_transformers(card: WeightsCard, tensors: Tensors, shape: tuple[int, ...]) -> Original:
    """Returns the network of transformers."""
    import transformers  # pyright: ignore[reportMissingImports]

    size = ARCHITECTURES[card.backbone]
    config = transformers.ConvNextConfig(
        hidden_sizes=list(size.widths), depths=list(size.blocks), layer_norm_eps=_last_epsilon(card)
    )
    config.num_labels = len(tensors.get("classifier.bias", ()))
    network: Any = transformers.ConvNextForImageClassification(config)
    hooks = _hooks("convnext.embeddings", [f"convnext.encoder.stages.{stage}" for stage in range(STAGES)])
    return Original("transformers.ConvNextForImageClassification", network, hooks, lambda x: network(x).logits)


def _hooks(stem: str, stages: Sequence[str]) -> dict[str, Hook]:
    """Returns where our layers are. stem, stages: the names of the library's modules."""
    return {"stem": Hook(stem)} | {f"stage{number}": Hook(stage) for number, stage in enumerate(stages, start=1)}


def _last_epsilon(card: WeightsCard) -> float:
    """Returns the epsilon of the last LayerNorm. Raises UserError if pooling follows it."""
    if VARIANTS[card.variant].norm_first:
        raise UserError(f"--verify: no PyTorch library has a network of variant {card.variant}; leave out --verify")
    return VARIANTS[card.variant].last_epsilon


def by_keras(source: Source, conversion: Conversion, images: np.ndarray) -> tuple[str, dict[str, np.ndarray]]:
    """Returns the name and the outputs of keras.applications' network. Raises UserError if there is none."""
    card = conversion.card
    if card.backbone not in KERAS_NETWORKS or card.variant not in ("keras", "keras_norm_first"):
        raise UserError(f"keras.applications has no {card.backbone} of variant {card.variant} to compare with")
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import jax
    import keras

    tensors = tensors_by(KERAS.names(card.backbone, card.variant), source, conversion)
    norm_first = VARIANTS[card.variant].norm_first
    network: Any = getattr(keras.applications, KERAS_NETWORKS[card.backbone])(
        weights=None,
        include_top=False,
        include_preprocessing=False,
        pooling=None if norm_first else "avg",
        input_shape=images.shape[1:],
    )
    features = keras.layers.GlobalAveragePooling2D()(network.output) if norm_first else network.output
    head = tensors.get("head_dense/bias")
    logits = (
        {} if head is None else {LOGITS: keras.layers.Dense(len(head), name=f"{network.name}_head_dense")(features)}
    )
    ends = [operation.output for operation in network.operations if type(operation).__name__ == "Add"]
    last = np.cumsum(ARCHITECTURES[card.backbone].blocks) - 1
    stages = {f"stage{stage}": ends[block] for stage, block in enumerate(last, start=1)}
    stem = network.get_layer(f"{network.name}_stem").output
    probe: Any = keras.Model(network.input, {"stem": stem} | stages | logits)
    layers = [inner for outer in probe.layers for inner in getattr(outer, "layers", [outer])]
    names = rename(dict.fromkeys(f"{layer.name}/{weight.name}" for layer in layers for weight in layer.weights))
    for layer in layers:
        layer.set_weights([tensors[names[f"{layer.name}/{weight.name}"]] for weight in layer.weights])
    with jax.default_matmul_precision("highest"):  # else a GPU or TPU would round to less than float32
        return f"keras.applications.{KERAS_NETWORKS[card.backbone]}", probe.predict(images, verbose=0)
