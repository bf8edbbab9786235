"""Describes the names of Inception V3's tensors in torchvision and in Keras."""

from collections.abc import Callable
from functools import partial

from tljax.models.inception_v3 import ARCHITECTURES, VARIANTS
from tljax.weights.formats import Shapes
from tljax.weights.inception import layers, numbered
from tljax.weights.inception.layers import Place, places, unit
from tljax.weights.names import Names, kernel

TITLE = "an Inception V3"
STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")
FIRST_LETTERS = "baa"  # the letter of the first block of each stage: Mixed_5b, Mixed_6a, Mixed_7a
BRANCHES = (  # for each stage, the branches of its first block and of its other blocks
    (("1x1", "5x5", "3x3dbl"), ("1x1", "5x5", "3x3dbl")),
    (("3x3", "3x3dbl"), ("1x1", "7x7", "7x7dbl")),
    (("3x3", "7x7x3"), ("1x1", "3x3", "3x3dbl")),
)


def block_name(stage: int, block: int) -> str:
    """Returns torchvision's name of a block; both numbers count from 0."""
    return f"Mixed_{stage + 5}{chr(ord(FIRST_LETTERS[stage]) + block)}"


def in_torchvision(place: Place, module: Callable[[str], str] = str) -> str:
    """Returns torchvision's name of a convolution. module: maps torchvision's name of a module to that in the file."""
    if place.block is None:
        return module(STEM[int(place.ours.rpartition(".")[2])])
    stage, block = place.block
    name = module(block_name(stage, block))
    if place.branch is None:
        return f"{name}.branch_pool"
    branch = BRANCHES[stage][block > 0][place.branch]
    side = "" if place.side is None else "ab"[place.side]
    return f"{name}.branch{branch}" + ("" if place.alone else f"_{place.step + 1}{side}")


def torch_names(architecture: str, variant: str, module: Callable[[str], str] = str, head: str | None = "fc") -> Names:
    """Returns where a PyTorch file keeps our tensors. module: as for `in_torchvision`."""
    found: dict = {}
    for place in places(ARCHITECTURES[architecture].stages):
        theirs = in_torchvision(place, module)
        found |= unit("torch", place.ours, f"{theirs}.conv", f"{theirs}.bn", VARIANTS[variant])
    return found | (kernel("torch", "head", head) if head else {})


def identify_torch(shapes: Shapes, module: Callable[[str], str] = str) -> tuple[str, str]:
    variant = layers.torch_variant(shapes)
    names = partial(torch_names, variant=variant, module=module, head=None)
    first = f"{module(STEM[0])}.conv.weight"
    return layers.architecture(shapes, ARCHITECTURES, first, 0, names, TITLE), variant


def keras_names(architecture: str, variant: str) -> Names:
    """Returns where a Keras file keeps our tensors; its layers count from 0."""
    found: dict = {}
    for number, place in enumerate(places(ARCHITECTURES[architecture].stages)):
        found |= unit("keras", place.ours, numbered.conv(number), numbered.batch_norm(number), VARIANTS[variant])
    return found | kernel("keras", "head", "predictions")


def identify_keras(shapes: Shapes) -> tuple[str, str]:
    if any(name.startswith("block35_1_conv/") for name in shapes):
        raise KeyError("block35_1_conv")  # an Inception-ResNet
    numbered.refuse_other_stem(shapes)
    names = partial(keras_names, variant="keras")
    return layers.architecture(shapes, ARCHITECTURES, "conv2d/kernel", -1, names, TITLE), "keras"
