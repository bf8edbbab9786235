"""DINOv2 with timm's names, with or without registers (https://huggingface.co/timm/vit_small_patch14_dinov2.lvd142m)."""

import math

from tljax.weights.formats import TRAINING, Format, Shapes, require
from tljax.weights.transformer.names import CLASS_TOKEN, IMAGENET, TIMM, rule
from tljax.weights.transformer.reference import BY_TIMM

LICENCE = "Apache-2.0 for Meta's weights"


def identify(shapes: Shapes) -> tuple[str, str]:
    require(shapes, has=r"blocks\.0\.ls1\.", not_has="mask_token")
    variant = "dinov2_timm"
    if "reg_token" in shapes:  # timm embeds only the positions of the patches; our export also has the class token's
        positions = shapes["pos_embed"][-2]
        variant = "dinov2_reg_timm" if math.isqrt(positions) ** 2 == positions else "dinov2_reg"
    return TIMM.identify(shapes, variant)


FORMAT = Format(
    title="timm, DINOv2",
    family="vit",
    layout="torch",
    stem=("patch_embed.proj.weight",),
    identify=identify,
    names=TIMM.names,
    normalisation="imagenet",
    rule=rule("timm's names with LayerScale are assumed to be DINOv2's", CLASS_TOKEN, "1e-6", IMAGENET),
    licence=LICENCE,
    reference=BY_TIMM,
    aside=TRAINING,
)
