"""The image encoder of Hugging Face transformers' CLIP: `vision_model.` of a `CLIPModel`, or a `CLIPVisionModel`."""

from dataclasses import replace
from functools import partial

from tljax.weights.formats import timm_clip
from tljax.weights.transformer.names import CLASS_TOKEN, OPENAI, Layers, rule
from tljax.weights.transformer.reference import by_transformers

LAYERS = Layers(
    patch="embeddings.patch_embedding",
    class_token="embeddings.class_embedding",
    positions="embeddings.position_embedding.weight",
    norm_tokens="pre_layrnorm",  # spelled so in transformers
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


FORMAT = replace(
    timm_clip.FORMAT,
    title="Hugging Face transformers, CLIP",
    stem=("embeddings.patch_embedding.weight",),
    identify=partial(LAYERS.identify, variant="clip_quick_transformers"),
    names=LAYERS.names,
    rule=rule(
        "transformers' names of CLIP",
        CLASS_TOKEN,
        "1e-5",
        OPENAI,
        timm_clip.PROJECTION,
        "if it is LAION's, use --variant clip_transformers",
        gelu="OpenAI's quick GELU",
    ),
    aside=(r"(^|\.)position_ids$",),
    reference=by_transformers("CLIPVisionModel", "CLIPVisionConfig"),
)
