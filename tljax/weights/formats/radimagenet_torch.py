"""`ResNet50.pt` of the RadImageNet authors: the children of torchvision's network, numbered in an nn.Sequential."""

from tljax.weights.formats import Format, radimagenet, torchvision
from tljax.weights.names import NameMap

FORMAT = Format(
    title="RadImageNet, PyTorch",
    names=NameMap(
        layout="torch",
        stem_conv="backbone.0",
        stem_norm="backbone.1",
        conv="backbone.{stage}.{block}.conv{conv}",
        norm="backbone.{stage}.{block}.bn{conv}",
        shortcut_conv="backbone.{stage}.{block}.downsample.0",
        shortcut_norm="backbone.{stage}.{block}.downsample.1",
        head=None,
        first_stage=4,
    ),
    biases=False,
    variant="torch_v1.5",
    normalisation="radimagenet_torch",
    rule="numbered children without biases: strides as torchvision's (v1.5), which the authors' PyTorch code uses; "
    "input as that code feeds it (BGR, -1..1), where their Keras code feeds (BGR minus the ImageNet mean) / 255: "
    "--normalisation radimagenet",
    licence=radimagenet.FORMAT.licence,
    aside=torchvision.ASIDE,
)
