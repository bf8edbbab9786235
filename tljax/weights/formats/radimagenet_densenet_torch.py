"""`DenseNet121.pt` of the RadImageNet authors: the features of torchvision's network, first in an nn.Sequential.

torchvision applies the last ReLU outside these features, so that the authors' network has none.
"""

from dataclasses import replace

from tljax.weights.densenet import reference
from tljax.weights.densenet.names import TORCHVISION, identify_torch, torch_layers
from tljax.weights.formats import radimagenet, torchvision_densenet
from tljax.weights.reference import by_torch

LAYERS = torch_layers("backbone.0.", None)

FORMAT = replace(
    torchvision_densenet.FORMAT,
    title="RadImageNet, PyTorch, DenseNet",
    stem=LAYERS.stem(),
    identify=lambda shapes: (identify_torch(shapes, LAYERS, channels=3), "torch_no_relu"),
    names=LAYERS.names,
    normalisation="radimagenet_torch",
    rule="the features of torchvision's DenseNet as first child of a 'backbone' are taken for RadImageNet's: no ReLU "
    "after the last BatchNorm, as the authors' PyTorch code has none (if yours has one: --variant torch); input as "
    "that code feeds it (BGR, -1..1), where their Keras code feeds (BGR minus the ImageNet mean) / 255: "
    "--normalisation radimagenet; if it is not RadImageNet's, say --normalisation imagenet",
    licence=radimagenet.FORMAT.licence,
    own_head=r"(^|\.)(linear|fc)\.",  # of the authors' training code
    bare=True,
    exports=False,
    reference=by_torch("torchvision", reference.original, names=TORCHVISION.names),
)
