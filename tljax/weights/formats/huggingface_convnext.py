"""Hugging Face transformers' `ConvNextModel` and `ConvNextForImageClassification`."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from tljax.models.convnext import ARCHITECTURES
from tljax.weights.card import WeightsCard
from tljax.weights.formats import torchvision_convnext
from tljax.weights.formats.torchvision_convnext import STAGES, Layers, last_epsilon, rule
from tljax.weights.names import Names, kernel, renamed
from tljax.weights.reference import Original, View, by_torch

LAYERS = Layers(
    stem="embeddings.patch_embeddings",
    stem_norm="embeddings.layernorm",
    down_norm="encoder.stages.{stage}.downsampling_layer.0",
    down_conv="encoder.stages.{stage}.downsampling_layer.1",
    block="encoder.stages.{stage}.layers.{block}.",
    depthwise="dwconv",
    norm="layernorm",
    up="pwconv1",
    down="pwconv2",
    scale="layer_scale_parameter",
    last_norm="layernorm",
)


def _whole(architecture: str, variant: str) -> Names:
    """Returns the names of a network with its head."""
    body = renamed(LAYERS.names(architecture, variant), lambda name: f"convnext.{name}")
    return body | kernel("torch", "head", "classifier")


def _original(card: WeightsCard, tensors: Mapping[str, Any], shape: tuple[int, ...]) -> Original:
    import transformers  # pyright: ignore[reportMissingImports]

    size = ARCHITECTURES[card.backbone]
    config = transformers.ConvNextConfig(
        hidden_sizes=list(size.widths), depths=list(size.blocks), layer_norm_eps=last_epsilon(card)
    )
    config.num_labels = len(tensors.get("classifier.bias", ()))
    network: Any = transformers.ConvNextForImageClassification(config)
    views = {"stem": View("convnext.embeddings")} | {
        f"stage{stage + 1}": View(f"convnext.encoder.stages.{stage}") for stage in range(STAGES)
    }
    return Original("transformers.ConvNextForImageClassification", network, views, lambda x: network(x).logits)


FORMAT = replace(
    torchvision_convnext.FORMAT,
    title="Hugging Face transformers, ConvNeXt",
    stem=("embeddings.patch_embeddings.weight", "embeddings.patch_embeddings.bias"),
    identify=partial(LAYERS.identify, variant="transformers"),
    names=LAYERS.names,
    rule=rule("transformers' names", last_epsilon="1e-12"),
    licence="Apache-2.0 for Meta's weights on its hub",
    own_head=None,
    exports=False,
    reference=by_torch("transformers", _original, _whole),
)
