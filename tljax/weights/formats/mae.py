"""MAE's pre-training checkpoints (https://github.com/facebookresearch/mae) and RETFound's: an encoder and a decoder."""

from dataclasses import replace

from tljax.models.vit import ARCHITECTURES, VARIANTS
from tljax.weights.formats import Shapes, require, timm_vit
from tljax.weights.names import Names
from tljax.weights.transformer import IMAGENET, MEAN, TIMM, architecture, rule, tensor_names

LAYERS = replace(TIMM, head=None)


def identify(shapes: Shapes) -> tuple[str, str]:
    require(shapes, has="decoder_")
    return architecture(LAYERS, shapes, VARIANTS["mae"].placed, ARCHITECTURES), "mae"


def names(backbone: str, variant: str) -> Names:
    return tensor_names(LAYERS, ARCHITECTURES[backbone], VARIANTS[variant])


FORMAT = replace(
    timm_vit.FORMAT,
    title="MAE",
    identify=identify,
    names=names,
    normalisation="imagenet",
    rule=rule(
        "an encoder next to MAE's decoder",
        f"{MEAN} after the encoder's LayerNorm",
        "1e-6",
        IMAGENET,
        "RETFound takes the same input",
    ),
    licence="CC BY-NC 4.0 for Meta's and RETFound's weights",
    aside=(*timm_vit.FORMAT.aside, r"(^|\.)decoder_", r"(^|\.)mask_token$"),
    exports=False,
    reference=None,
)
