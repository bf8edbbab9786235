"""CLIP's image encoder with the names of OpenAI and open_clip: `visual.transformer.resblocks.`."""

from dataclasses import replace
from functools import partial

from tljax.weights.formats import timm_clip
from tljax.weights.transformer.names import CLASS_TOKEN, OPENAI, Layers, rule

LAYERS = Layers(
    patch="conv1",
    class_token="class_embedding",
    positions="positional_embedding",
    norm_tokens="ln_pre",
    norm="ln_post",
    block="transformer.resblocks.{}.",
    norm1="ln_1",
    qkv="attn.in_proj",
    joint=True,
    out="attn.out_proj",
    norm2="ln_2",
    up="mlp.c_fc",
    down="mlp.c_proj",
    vectors=True,
)


FORMAT = replace(
    timm_clip.FORMAT,
    title="open_clip",
    stem=("class_embedding",),
    identify=partial(LAYERS.identify, variant="clip"),
    names=LAYERS.names,
    rule=rule(
        "open_clip's names",
        CLASS_TOKEN,
        "1e-5",
        OPENAI,
        timm_clip.PROJECTION,
        "if it is OpenAI's, use --variant clip_quick",
    ),
    aside=(*timm_clip.FORMAT.aside, r"(^|\.)proj$"),
    reference=None,
)
