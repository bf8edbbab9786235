"""`InceptionV3.pt` of the RadImageNet authors: the children of torchvision's network, numbered in an nn.Sequential.

The network has no auxiliary classifier (https://github.com/BMEII-AI/RadImageNet/issues/16). Its children are, in this
order, five convolutions with two pooling layers between them, and eleven blocks.
"""

from dataclasses import replace
from functools import partial

from tljax.weights.formats import radimagenet_torch, torchvision_inception_v3
from tljax.weights.inception import reference, v3
from tljax.weights.reference import by_torch

CHILDREN = (
    *v3.STEM[:3],
    "maxpool1",
    *v3.STEM[3:],
    "maxpool2",
    *(v3.block_name(stage, block) for stage, count in enumerate((3, 5, 3)) for block in range(count)),
)


def numbered(module: str) -> str:
    return f"backbone.{CHILDREN.index(module)}"


FORMAT = replace(
    torchvision_inception_v3.FORMAT,
    title="RadImageNet, PyTorch, Inception V3",
    stem=("backbone.0.conv.weight", "backbone.0.bn.weight"),
    identify=partial(v3.identify_torch, module=numbered),
    names=partial(v3.torch_names, module=numbered, head=None),
    normalisation="radimagenet_torch",
    rule="numbered children of a 'backbone' are assumed to be RadImageNet's: average pooling counts the padding, as in "
    "torchvision's network, which the authors' PyTorch code uses; input as in that code (BGR, -1..1); if it is a "
    "port of their Keras weights, use --variant keras --normalisation radimagenet",
    licence=radimagenet_torch.FORMAT.licence,
    own_head=radimagenet_torch.FORMAT.own_head,
    bare=True,
    exports=False,
    reference=by_torch("torchvision", reference.of_torchvision, names=partial(v3.torch_names, head=None)),
)
