"""CLIP's image encoder with timm's names, alone or in an open_clip model (`visual.trunk.`)."""

from dataclasses import replace

from tljax.weights.formats import Shapes, require, timm_vit
from tljax.weights.transformer.names import CLASS_TOKEN, OPENAI, TIMM, rule

PROJECTION = "the projection to the space shared with texts, and the text encoder, are left out"


def identify(shapes: Shapes) -> tuple[str, str]:
    require(shapes, has=r"norm_pre\.", not_has=r"blocks\.0\.ls1\.|fc_norm\.|reg_token")
    return TIMM.identify(shapes, "clip")


FORMAT = replace(
    timm_vit.FORMAT,
    title="timm, CLIP",
    identify=identify,
    normalisation="clip",
    rule=rule(
        "timm's names with `norm_pre` are assumed to be CLIP's image encoder",
        CLASS_TOKEN,
        "1e-5",
        OPENAI,
        PROJECTION,
        "if it is OpenAI's, use --variant clip_quick",
    ),
    licence="not known: that of whoever made the file",
    exports=False,
    projects=True,
    describe=None,
)
