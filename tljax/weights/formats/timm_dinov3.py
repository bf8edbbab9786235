"""DINOv3 with timm's names (https://huggingface.co/timm/vit_small_patch16_dinov3.lvd1689m), with or without biases."""

from dataclasses import replace

from tljax.models import dinov3
from tljax.weights.formats import Shapes, huggingface_dinov3, require
from tljax.weights.transformer.names import CLASS_TOKEN, IMAGENET, TIMM, rule
from tljax.weights.transformer.reference import BY_TIMM_DINOV3

LAYERS = replace(
    TIMM,
    family=dinov3,
    positions=None,
    scale1="gamma_1",
    scale2="gamma_2",
    query_bias="attn.q_bias",
    value_bias="attn.v_bias",
)


def identify(shapes: Shapes) -> tuple[str, str]:
    require(shapes, has=r"blocks\.0\.gamma_1", not_has=r"pos_embed|blocks\.0\.attn\.relative_position|rel_pos_bias")
    variant = "qv_bias" if "blocks.0.attn.q_bias" in shapes else "no_bias"
    return LAYERS.identify(shapes, variant)


FORMAT = replace(
    huggingface_dinov3.FORMAT,
    title="timm, DINOv3",
    stem=("patch_embed.proj.weight",),
    identify=identify,
    names=LAYERS.names,
    rename=None,
    rule=rule(
        "timm's names of DINOv3",
        f"{CLASS_TOKEN} (timm's default is the mean over the patches)",
        "1e-5",
        f"{IMAGENET}, of the networks trained on web images",
    ),
    aside=(*huggingface_dinov3.FORMAT.aside, r"(^|\.)attn\.k_bias$", r"(^|\.)rope\."),
    exports=True,
    reference=BY_TIMM_DINOV3,
)
