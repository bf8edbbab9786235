"""Builds the original network of an Inception network's file, which `--verify` runs with the file's tensors."""

from collections.abc import Mapping

import numpy as np

from tljax.core.errors import UserError
from tljax.models import inception_resnet_v2
from tljax.weights.card import WeightsCard
from tljax.weights.inception import resnet_v2, v3
from tljax.weights.reference import LOGITS, Hook, Original

KERAS_NETWORKS = {  # -> the function in keras.applications
    "inception_v3": "InceptionV3",
    "inception_resnet_v2": "InceptionResNetV2",
}


def keras_layers_v3(backbone: str) -> dict[str, str]:
    """Returns, for each of our named layers, the Keras layer with the same output."""
    blocks = {"block1": "activation_4", "block2": "mixed2", "block3": "mixed7", "block4": "mixed10"}
    return {"conv1": "activation", **blocks, LOGITS: "predictions"}


def of_torchvision(card: WeightsCard, tensors: Mapping[str, np.ndarray], shape: tuple[int, ...]) -> Original:
    """Returns torchvision's network without its own conversion of the input.

    Raises UserError if torchvision has none of this variant.
    """
    if (card.backbone, card.variant) != ("inception_v3", "torch"):
        raise UserError(
            f"torchvision has no {card.backbone} of variant {card.variant} to compare with; leave out --verify"
        )
    from torchvision.models import Inception3  # pyright: ignore[reportMissingImports]

    classes = len(tensors.get("fc.bias", [0]))
    network = Inception3(classes, aux_logits=False, transform_input=False, init_weights=False)
    ends = {
        "conv1": v3.STEM[0],
        "block1": v3.STEM[-1],
        "block2": "Mixed_5d",
        "block3": "Mixed_6e",
        "block4": "Mixed_7c",
    }
    hooks = {layer: Hook(module) for layer, module in ends.items()}
    return Original("torchvision.models.inception_v3", network, hooks, unread=("fc.",))


def keras_layers_resnet_v2(backbone: str) -> dict[str, str]:
    """Returns, for each of our named layers, the Keras layer with the same output."""
    counts = inception_resnet_v2.ARCHITECTURES[backbone].blocks[:2]
    ends = (f"{kind}_{count}_ac" for kind, count in zip(resnet_v2.KERAS_BLOCKS, counts, strict=False))
    blocks = {f"block{stage}": end for stage, end in enumerate(("activation_4", *ends, "conv_7b_ac"), start=1)}
    return {"conv1": "activation", **blocks, LOGITS: "predictions"}


def of_timm(card: WeightsCard, tensors: Mapping[str, np.ndarray], shape: tuple[int, ...]) -> Original:
    """Returns timm's network. Raises UserError if timm has none of this variant."""
    if (card.backbone, card.variant) != ("inception_resnet_v2", "torch"):
        raise UserError(f"timm has no {card.backbone} of variant {card.variant} to compare with; leave out --verify")
    import timm  # pyright: ignore[reportMissingImports]

    network = timm.create_model("inception_resnet_v2", num_classes=len(tensors.get("classif.bias", [0])))
    ends = {
        "conv1": resnet_v2.STEM[0],
        "block1": resnet_v2.STEM[-1],
        "block2": "repeat",
        "block3": "repeat_1",
        "block4": "conv2d_7b",
    }
    hooks = {layer: Hook(module) for layer, module in ends.items()}
    return Original("timm's inception_resnet_v2", network, hooks, unread=("classif.",))
