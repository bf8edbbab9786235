"""TorchXRayVision's DenseNets with one grey input channel: a whole pickled model (`-best.pt`), or its state dict."""

from dataclasses import replace
from typing import Any

from tljax.weights.densenet import reference
from tljax.weights.densenet.names import TORCHVISION, identify_torch
from tljax.weights.formats import TRAINING, Description, torchvision_densenet
from tljax.weights.match import Match
from tljax.weights.reference import by_torch


def describe(source: Any, match: Match) -> Description:
    """Returns the input of MONAI's networks, which have names of their own."""
    if any(".layers.norm1." in name for name in source.tensors):
        return Description(
            normalisation="grey", remarks=("these are MONAI's names, so the input is grey values in 0..1",)
        )
    return Description()


FORMAT = replace(
    torchvision_densenet.FORMAT,
    title="TorchXRayVision, DenseNet",
    identify=lambda shapes: (identify_torch(shapes, TORCHVISION, channels=1), "torch_grey"),
    normalisation="xrv",
    rule="torchvision's names and one input channel are assumed to be TorchXRayVision's: grey values in -1024..1024; "
    "if it takes 0..1, use --normalisation grey; if it takes -1..1, use --normalisation grey_centred",
    licence="Apache-2.0 for TorchXRayVision's code; its weights also follow the terms of their training data",
    aside=(*TRAINING, r"(^|\.)op_threshs$"),  # thresholds of its findings
    describe=describe,
    exclusive=False,
    exports=False,
    reference=by_torch("torchxrayvision", reference.original_grey),
)
