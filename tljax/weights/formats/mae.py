"""MAE's pre-training checkpoints (https://github.com/facebookresearch/mae) and RETFound's: an encoder and a decoder."""

from dataclasses import replace

from tljax.weights.formats import Shapes, require, timm_vit
from tljax.weights.transformer.names import IMAGENET, MEAN, TIMM, rule

LAYERS = replace(TIMM, head=None)


def identify(shapes: Shapes) -> tuple[str, str]:
    require(shapes, has="decoder_")
    return LAYERS.identify(shapes, "mae")


FORMAT = replace(
    timm_vit.FORMAT,
    title="MAE",
    identify=identify,
    names=LAYERS.names,
    normalisation="imagenet",
    rule=rule(
        "an encoder next to MAE's decoder",
        f"{MEAN} after the encoder's LayerNorm",
        "1e-6",
        IMAGENET,
        "the input of RETFound is the same",
    ),
    licence="CC BY-NC 4.0 for Meta's and RETFound's weights",
    aside=(*timm_vit.FORMAT.aside, r"(^|\.)decoder_", r"(^|\.)mask_token$"),
    exports=False,
    describe=None,
    reference=None,
)
