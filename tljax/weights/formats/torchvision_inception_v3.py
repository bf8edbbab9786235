"""torchvision's Inception V3, and timm's, which has the same names.

torchvision's weights come with `transform_input=True`: the network itself converts an input that is normalised for
ImageNet to -1..1. In tljax this step is part of the input normalisation, so the weights of both libraries take RGB in
-1..1.
"""

from functools import partial

from tljax.models.inception_v3 import VARIANTS
from tljax.weights.formats import TRAINING, Format
from tljax.weights.inception import layers, reference, v3
from tljax.weights.reference import by_torch

AUXILIARY = r"(^|\.)AuxLogits\."

FORMAT = Format(
    title="PyTorch, torchvision's and timm's Inception V3",
    family="inception_v3",
    layout="torch",
    stem=("Conv2d_1a_3x3.conv.weight", "Conv2d_1a_3x3.bn.weight"),
    identify=v3.identify_torch,
    names=v3.torch_names,
    normalisation="inception",
    rule="torchvision's names: BatchNorm epsilon 1e-3, average pooling counts the padding, input RGB in -1..1 as for "
    "torchvision's own weights (transform_input=True) and timm's; if it was trained with transform_input=False "
    "(torchvision without weights) or is Gluon's, use --normalisation imagenet",
    licence="BSD-3-Clause for torchvision's own weights (ported from TensorFlow's, Apache-2.0)",
    aside=(*TRAINING, AUXILIARY),
    exports=True,
    fit=partial(layers.fit, VARIANTS),
    reference=by_torch("torchvision", reference.of_torchvision),
    export_note=partial(layers.export_note, VARIANTS),
)
