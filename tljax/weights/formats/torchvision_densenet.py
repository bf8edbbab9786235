"""DenseNets of torchvision and timm, which give their tensors the same names."""

from tljax.weights.densenet import names, reference
from tljax.weights.densenet.names import TORCHVISION, identify_torch
from tljax.weights.formats import TRAINING, Format, renaming
from tljax.weights.reference import by_torch

OLD = (
    (r"layers\.(norm|conv)([12])\.", r"\1\2."),  # 'denselayer1.layers.norm1': MONAI
    (r"norm\.([12])\.", r"norm\1."),
    (r"conv\.([12])\.", r"conv\1."),
)  # 'denselayer1.norm.1': torchvision's first files

FORMAT = Format(
    title="torchvision or timm, DenseNet",
    family="densenet",
    layout="torch",
    stem=TORCHVISION.stem(),
    identify=lambda shapes: (identify_torch(shapes, TORCHVISION, channels=3), "torch"),
    names=TORCHVISION.names,
    rename=renaming(*OLD),
    normalisation="imagenet",
    rule="torchvision's names: a ReLU after the last BatchNorm, as in torchvision, timm and MONAI, "
    "input as for ImageNet (RGB / 255, mean and std)",
    licence="BSD-3-Clause for torchvision's own weights, Apache-2.0 for timm's",
    aside=TRAINING,
    own_head=r"(^|\.)classifier\.\d+\.",  # several layers in place of the head
    exports=True,
    reference=by_torch("torchvision", reference.original),
    export_note=names.export_note,
)
