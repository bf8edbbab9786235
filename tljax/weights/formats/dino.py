"""DINO's training checkpoints (https://github.com/facebookresearch/dino): the teacher's backbone and projection head.

The files of backbones alone have no name that tells them from timm's supervised networks; they are read as those.
"""

from dataclasses import replace

from tljax.models.vit import ARCHITECTURES, VARIANTS
from tljax.weights.formats import Shapes, require, timm_vit
from tljax.weights.names import Names
from tljax.weights.transformer import CLASS_TOKEN, IMAGENET, TIMM, architecture, rule, tensor_names

BACKBONE = "backbone."
LAYERS = replace(
    TIMM,
    **{name: BACKBONE + getattr(TIMM, name) for name in ("patch", "class_token", "positions", "norm", "block")},
    head=None,
)


def identify(shapes: Shapes) -> tuple[str, str]:
    require(shapes, has=r"head\.last_layer\.")
    return architecture(LAYERS, shapes, VARIANTS["dino"].placed, ARCHITECTURES), "dino"


def names(backbone: str, variant: str) -> Names:
    return tensor_names(LAYERS, ARCHITECTURES[backbone], VARIANTS[variant])


FORMAT = replace(
    timm_vit.FORMAT,
    title="DINO, training checkpoint",
    stem=(f"{BACKBONE}patch_embed.proj.weight",),
    identify=identify,
    names=names,
    normalisation="imagenet",
    rule=rule("a backbone next to DINO's projection head", CLASS_TOKEN, "1e-6", IMAGENET),
    licence="Apache-2.0 for Meta's weights",
    aside=(*timm_vit.FORMAT.aside, r"(^|\.)head\.(mlp|last_layer)\."),
    exports=False,
    reference=None,
)
