"""CLIP's image tower as OpenAI and open_clip keep it: `visual.transformer.resblocks.`."""

from dataclasses import replace

from tljax.models.vit import ARCHITECTURES, VARIANTS
from tljax.weights.formats import Shapes, timm_clip
from tljax.weights.names import Names
from tljax.weights.transformer import CLASS_TOKEN, OPENAI, Layers, architecture, rule, tensor_names

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


def identify(shapes: Shapes) -> tuple[str, str]:
    return architecture(LAYERS, shapes, VARIANTS["clip"].placed, ARCHITECTURES), "clip"


def names(backbone: str, variant: str) -> Names:
    return tensor_names(LAYERS, ARCHITECTURES[backbone], VARIANTS[variant])


FORMAT = replace(
    timm_clip.FORMAT,
    title="open_clip",
    stem=("class_embedding",),
    identify=identify,
    names=names,
    rule=rule(
        "open_clip's names",
        CLASS_TOKEN,
        "1e-5",
        OPENAI,
        timm_clip.PROJECTION,
        "if it is OpenAI's, say --variant clip_quick",
    ),
    aside=(*timm_clip.FORMAT.aside, r"(^|\.)proj$"),
    reference=None,
)
