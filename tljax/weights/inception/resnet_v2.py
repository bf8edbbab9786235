"""Describes the names of Inception-ResNet-V2's tensors in timm and in Keras."""

from collections.abc import Iterator
from functools import partial

from tljax.models.inception import Unit
from tljax.models.inception_resnet_v2 import ARCHITECTURES, VARIANTS, Residual
from tljax.weights.formats import Shapes
from tljax.weights.inception import layers, numbered
from tljax.weights.inception.layers import places, unit
from tljax.weights.names import Names, kernel

TITLE = "an Inception-ResNet-V2"
STEM = ("conv2d_1a", "conv2d_2a", "conv2d_2b", "conv2d_3b", "conv2d_4a")
FIRST = ("mixed_5b", "mixed_6a", "mixed_7a")  # the first block of each stage
REPEATED = ("repeat", "repeat_1", "repeat_2")  # the other blocks of each stage
KERAS_BLOCKS = ("block35", "block17", "block8")


def residual_blocks(architecture: str) -> Iterator[tuple[int, int, bool]]:
    """Yields stage and block of each residual block, counted from 0, and whether it is the last one of the network."""
    for stage, parts in enumerate(ARCHITECTURES[architecture].stages):
        for block, part in enumerate(parts):
            if isinstance(part, Residual):
                yield stage, block, not part.relu


def timm_block(architecture: str, stage: int, block: int) -> str:
    """Returns timm's name of a block; both numbers count from 0."""
    part = ARCHITECTURES[architecture].stages[stage][block]
    if isinstance(part, Unit):
        return "conv2d_7b"
    if block == 0:
        return FIRST[stage]
    return "block8" if isinstance(part, Residual) and not part.relu else f"{REPEATED[stage]}.{block - 1}"


def timm_names(architecture: str, variant: str) -> Names:
    """Returns where a PyTorch file keeps our tensors."""
    found: dict = {}
    for place in places(ARCHITECTURES[architecture].stages):
        if place.block is None:
            theirs = STEM[int(place.ours.rpartition(".")[2])]
        else:
            theirs = timm_block(architecture, *place.block)
            if place.branch is not None:
                theirs += f".branch{place.branch}" + ("" if place.alone else f".{place.step}")
            elif place.ours.endswith(".pooled"):
                theirs += ".branch3.1"
        found |= unit("torch", place.ours, f"{theirs}.conv", f"{theirs}.bn", VARIANTS[variant])
    for stage, block, _ in residual_blocks(architecture):
        found |= kernel("torch", f"stages.{stage}.{block}.up", f"{timm_block(architecture, stage, block)}.conv2d")
    return found | kernel("torch", "head", "classif")


def identify_timm(shapes: Shapes) -> tuple[str, str]:
    if not any(name.startswith("mixed_5b.") for name in shapes):
        raise KeyError("mixed_5b")  # Inception-ResNet-V1 begins in the same way
    variant = layers.torch_variant(shapes)
    names = partial(timm_names, variant=variant)
    return layers.architecture(shapes, ARCHITECTURES, "conv2d_1a.conv.weight", 0, names, TITLE), variant


def keras_names(architecture: str, variant: str) -> Names:
    """Returns where a Keras file keeps our tensors; numbered layers count from 0."""
    found: dict = {}
    stages = ARCHITECTURES[architecture].stages
    for number, place in enumerate(places(stages)):
        is_last = place.block is not None and isinstance(stages[place.block[0]][place.block[1]], Unit)
        conv, norm = ("conv_7b", "conv_7b_bn") if is_last else (numbered.conv(number), numbered.batch_norm(number))
        found |= unit("keras", place.ours, conv, norm, VARIANTS[variant])
    for stage, block, _ in residual_blocks(architecture):
        found |= kernel("keras", f"stages.{stage}.{block}.up", f"{KERAS_BLOCKS[stage]}_{block}_conv")
    return found | kernel("keras", "head", "predictions")


def identify_keras(shapes: Shapes) -> tuple[str, str]:
    if not any(name.startswith(("block35_1_conv/", "conv_7b/")) for name in shapes):
        raise KeyError("block35_1_conv")
    names = partial(keras_names, variant="keras")
    return layers.architecture(shapes, ARCHITECTURES, "conv2d/kernel", -1, names, TITLE), "keras"
