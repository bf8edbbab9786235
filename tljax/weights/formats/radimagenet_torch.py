"""`ResNet50.pt` of the RadImageNet authors: the children of torchvision's network, numbered in an nn.Sequential."""

from dataclasses import replace
from functools import partial

from tljax.weights.formats import radimagenet, torchvision
from tljax.weights.resnet.names import Layers


def numbered(prefix: str) -> Layers:
    block = prefix + "{stage}.{block}."
    return Layers(
        layout="torch",
        stem_conv=f"{prefix}0",
        stem_norm=f"{prefix}1",
        conv=block + "conv{conv}",
        norm=block + "bn{conv}",
        shortcut_conv=block + "downsample.0",
        shortcut_norm=block + "downsample.1",
        head=None,
        first_stage=4,
    )


LAYERS = numbered("backbone.")

FORMAT = replace(
    torchvision.FORMAT,
    title="RadImageNet, PyTorch",
    stem=LAYERS.stem(),
    identify=partial(LAYERS.identify, variant="torch_v1.5"),
    names=LAYERS.names,
    normalisation="radimagenet_torch",
    rule="numbered children of a 'backbone' and nothing else are assumed to be RadImageNet's: strides as torchvision's "
    "(v1.5), which the authors' PyTorch code uses; input as in that code (BGR, -1..1), while their Keras code has "
    "(BGR minus the ImageNet mean) / 255 (--normalisation radimagenet); if it is not RadImageNet's, use "
    "--normalisation imagenet",
    licence=radimagenet.FORMAT.licence,
    own_head=r"(^|\.)linear\.",  # of the authors' training code
    bare=True,
    exports=False,
)
