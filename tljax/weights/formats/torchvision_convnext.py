"""torchvision's ConvNeXts."""

from functools import partial

from tljax.weights.convnext import reference
from tljax.weights.convnext.names import Layers, export_note, rule
from tljax.weights.formats import TRAINING, Format
from tljax.weights.reference import by_torch

LAYERS = Layers(
    stem="features.0.0",
    stem_norm="features.0.1",
    down_norm="features.{even}.0",
    down_conv="features.{even}.1",
    block="features.{odd}.{block}.",
    depthwise="block.0",
    norm="block.2",
    up="block.3",
    down="block.5",
    scale="layer_scale",
    scale_rank=3,
    last_norm="classifier.0",
    head="classifier.2",
)

FORMAT = Format(
    title="torchvision, ConvNeXt",
    family="convnext",
    layout="torch",
    stem=("features.0.0.weight", "features.0.0.bias"),
    identify=partial(LAYERS.identify, variant="torch"),
    names=LAYERS.names,
    normalisation="imagenet",
    rule=rule("torchvision's names"),
    licence="BSD-3-Clause for torchvision's own weights",
    aside=TRAINING,
    own_head=r"^classifier\.",
    exports=True,
    reference=by_torch("torchvision", reference.of_torchvision),
    export_note=export_note,
)
