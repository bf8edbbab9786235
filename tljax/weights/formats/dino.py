"""DINO's training checkpoints (https://github.com/facebookresearch/dino): the teacher's backbone and projection head.

Files that hold only the backbone have the same names as timm's supervised networks, and are read as such.
"""

from dataclasses import replace

from tljax.weights.formats import Shapes, require, timm_vit
from tljax.weights.transformer.names import CLASS_TOKEN, IMAGENET, TIMM, rule

BACKBONE = "backbone."
LAYERS = TIMM.below(BACKBONE)


def identify(shapes: Shapes) -> tuple[str, str]:
    require(shapes, has=r"head\.last_layer\.")
    return LAYERS.identify(shapes, "dino")


FORMAT = replace(
    timm_vit.FORMAT,
    title="DINO, training checkpoint",
    stem=(f"{BACKBONE}patch_embed.proj.weight",),
    identify=identify,
    names=LAYERS.names,
    normalisation="imagenet",
    rule=rule("a backbone next to DINO's projection head", CLASS_TOKEN, "1e-6", IMAGENET),
    licence="Apache-2.0 for Meta's weights",
    aside=(*timm_vit.FORMAT.aside, r"(^|\.)head\.(mlp|last_layer)\."),
    exports=False,
    describe=None,
    reference=None,
)
