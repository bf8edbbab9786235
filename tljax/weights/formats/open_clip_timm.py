"""A plain timm vision transformer as the image encoder of an open_clip model, as in BiomedCLIP.

The input is that of BiomedCLIP's `open_clip_config.json`: OpenAI's mean and standard deviation.
"""

from dataclasses import replace

from tljax.weights.formats import Shapes, require, timm_clip
from tljax.weights.reference import by_torch
from tljax.weights.transformer.names import CLASS_TOKEN, OPENAI, TIMM, rule
from tljax.weights.transformer.reference import timm_vit_network

TRUNK = "visual.trunk."
LAYERS = TIMM.below(TRUNK)


def identify(shapes: Shapes) -> tuple[str, str]:
    require(shapes, not_has=r"visual\.trunk\.(blocks\.0\.ls1|norm_pre|fc_norm|reg_token)")
    return LAYERS.identify(shapes, "timm")


FORMAT = replace(
    timm_clip.FORMAT,
    title="open_clip, image encoder of timm",
    stem=(f"{TRUNK}patch_embed.proj.weight",),
    identify=identify,
    names=LAYERS.names,
    rule=rule(
        "a plain timm network in an open_clip model, as in BiomedCLIP",
        CLASS_TOKEN,
        "1e-6",
        OPENAI,
        timm_clip.PROJECTION,
    ),
    aside=(*timm_clip.FORMAT.aside, r"^(module\.)?(text\.|visual\.head\.|logit_(scale|bias)$)"),
    reference=by_torch("timm", timm_vit_network, names=TIMM.names),
)
