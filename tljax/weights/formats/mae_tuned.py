"""MAE and RETFound after fine-tuning by their authors' code: mean over the patches, then `fc_norm`."""

from dataclasses import replace

from tljax.weights.formats import Shapes, mae, require
from tljax.weights.transformer.names import IMAGENET, MEAN, TIMM, rule

LAYERS = replace(TIMM, norm="fc_norm")


def identify(shapes: Shapes) -> tuple[str, str]:
    require(shapes, has=r"fc_norm\.", not_has=r"blocks\.0\.ls1\.|norm_pre\.|reg_token")
    return LAYERS.identify(shapes, "mae_tuned")


FORMAT = replace(
    mae.FORMAT,
    title="MAE, fine-tuned",
    identify=identify,
    names=LAYERS.names,
    rule=rule(
        "timm's names with `fc_norm` are assumed to be those of MAE or RETFound",
        f"{MEAN}, then its LayerNorm",
        "1e-6",
        IMAGENET,
        "if it is timm's EVA, use --normalisation clip",
    ),
    reference=None,
)
