"""`ResNet50.pt` of the RadImageNet authors: the children of torchvision's network, numbered in an nn.Sequential."""

from tljax.weights.formats import Format, radimagenet, torchvision
from tljax.weights.names import NameMap


def numbered(prefix: str) -> NameMap:
    block = prefix + "{stage}.{block}."
    return NameMap(
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


FORMAT = Format(
    title="RadImageNet, PyTorch",
    names=numbered("backbone."),
    biases=False,
    variant="torch_v1.5",
    normalisation="radimagenet_torch",
    rule="numbered children of a 'backbone' and nothing else are taken for RadImageNet's: strides as torchvision's "
    "(v1.5), which the authors' PyTorch code uses; input as that code feeds it (BGR, -1..1), where their Keras code "
    "feeds (BGR minus the ImageNet mean) / 255: --normalisation radimagenet; if it is not RadImageNet's, say "
    "--normalisation imagenet",
    licence=radimagenet.FORMAT.licence,
    aside=torchvision.ASIDE,
    own_head=r"(^|\.)linear\.",  # of the authors' training code
    bare=True,
)
