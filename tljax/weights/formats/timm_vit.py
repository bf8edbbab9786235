"""timm's supervised vision transformers, and others with the same names: DINO, DeiT, the encoder of MAE."""

from functools import partial

from tljax.weights.formats import TRAINING, Format, Shapes, require
from tljax.weights.transformer import positions
from tljax.weights.transformer.names import CLASS_TOKEN, TIMM, rule
from tljax.weights.transformer.reference import BY_TIMM

OTHERS = r"blocks\.0\.ls1\.|norm_pre\.|mask_token|decoder_|head\.(mlp|last_layer)\."  # names of other pre-trainings


def identify(shapes: Shapes) -> tuple[str, str]:
    require(shapes, not_has=OTHERS)
    variant = "timm_no_qkv_bias" if TIMM.without_qkv_bias(shapes) else "timm"
    return TIMM.identify(shapes, "timm_reg" if "reg_token" in shapes else variant)


FORMAT = Format(
    title="timm, vision transformer",
    family="vit",
    layout="torch",
    stem=("patch_embed.proj.weight",),
    identify=identify,
    names=TIMM.names,
    normalisation="inception",
    rule=rule(
        "timm's names are assumed to be a supervised network's",
        CLASS_TOKEN,
        "1e-6",
        "input RGB in -1..1, as for timm's `augreg` weights",
        "if it is DeiT's, use --normalisation imagenet; if it is DINO's, use --variant dino --normalisation imagenet; "
        "if it is the encoder of MAE, use --variant mae --normalisation imagenet",
    ),
    licence="Apache-2.0 for timm's own weights",
    reference=BY_TIMM,
    aside=TRAINING,
    describe=partial(positions.describe, "mae"),
    exports=True,
)
