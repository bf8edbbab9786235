"""Hugging Face transformers' CLIP, its image tower: `vision_model.` of a `CLIPModel`, or a `CLIPVisionModel`."""

from dataclasses import replace

from tljax.models.vit import ARCHITECTURES, VARIANTS
from tljax.weights.formats import Shapes, timm_clip
from tljax.weights.names import Names
from tljax.weights.transformer import CLASS_TOKEN, OPENAI, Layers, architecture, rule, tensor_names
from tljax.weights.transformer_reference import by_transformers

LAYERS = Layers(
    patch="embeddings.patch_embedding",
    class_token="embeddings.class_embedding",
    positions="embeddings.position_embedding.weight",
    norm_tokens="pre_layrnorm",  # sic
    norm="post_layernorm",
    block="encoder.layers.{}.",
    norm1="layer_norm1",
    qkv=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    out="self_attn.out_proj",
    norm2="layer_norm2",
    up="mlp.fc1",
    down="mlp.fc2",
    vectors=True,
)


def identify(shapes: Shapes) -> tuple[str, str]:
    variant = "clip_quick_transformers"
    return architecture(LAYERS, shapes, VARIANTS[variant].placed, ARCHITECTURES), variant


def names(backbone: str, variant: str) -> Names:
    return tensor_names(LAYERS, ARCHITECTURES[backbone], VARIANTS[variant])


FORMAT = replace(
    timm_clip.FORMAT,
    title="Hugging Face transformers, CLIP",
    stem=("embeddings.patch_embedding.weight",),
    identify=identify,
    names=names,
    rule=rule(
        "transformers' names of CLIP",
        CLASS_TOKEN,
        "1e-5",
        OPENAI,
        timm_clip.PROJECTION,
        "if it is LAION's, say --variant clip_transformers",
        gelu="OpenAI's quick GELU",
    ),
    aside=(r"(^|\.)position_ids$",),
    reference=by_transformers("CLIPVisionModel", "CLIPVisionConfig"),
)
