"""Inception-ResNet-V2 of timm, and of Cadene's pretrained-models, from which timm's is derived."""

from functools import partial

from tljax.models.inception_resnet_v2 import VARIANTS
from tljax.weights.formats import TRAINING, Format
from tljax.weights.inception import layers, reference, resnet_v2
from tljax.weights.reference import by_torch

FORMAT = Format(
    title="PyTorch, timm's Inception-ResNet-V2",
    family="inception_resnet_v2",
    layout="torch",
    stem=("conv2d_1a.conv.weight", "conv2d_1a.bn.weight"),
    identify=resnet_v2.identify_timm,
    names=resnet_v2.timm_names,
    normalisation="inception",
    rule="timm's names: BatchNorm epsilon 1e-3, average pooling over the positions within the image, input RGB in "
    "-1..1",
    licence="Apache-2.0 for timm's own weights (ported from TensorFlow's)",
    aside=TRAINING,
    exports=True,
    fit=partial(layers.fit, VARIANTS),
    reference=by_torch("timm", reference.of_timm),
    export_note=partial(layers.export_note, VARIANTS),
)
