"""`DenseNet121.pt` of the RadImageNet authors: torchvision's `features` as the first module of an nn.Sequential.

torchvision applies the last ReLU outside of `features`, so the authors' network has no ReLU at its end.
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
    rule="torchvision's DenseNet features as the first module of a 'backbone' are assumed to be RadImageNet's: no ReLU "
    "after the last BatchNorm, as in the authors' PyTorch code (if yours has one, use --variant torch); input as in "
    "that code (BGR, -1..1), while their Keras code has (BGR minus the ImageNet mean) / 255 "
    "(--normalisation radimagenet); if it is not RadImageNet's, use --normalisation imagenet",
    licence=radimagenet.FORMAT.licence,
    own_head=r"(^|\.)(linear|fc)\.",  # of the authors' training code
    bare=True,
    exports=False,
    reference=by_torch("torchvision", reference.original, names=TORCHVISION.names),
)
