"""Hugging Face transformers' `DINOv3ViTModel`: `layer.0.` in files, and in memory `model.layer.0.` since version 5."""

from functools import partial

from tljax.models import dinov3
from tljax.weights.formats import Format, renaming
from tljax.weights.transformer.names import CLASS_TOKEN, IMAGENET, Layers, rule
from tljax.weights.transformer.reference import by_transformers

LAYERS = Layers(
    family=dinov3,
    patch="embeddings.patch_embeddings",
    class_token="embeddings.cls_token",
    positions=None,
    registers="embeddings.register_tokens",
    norm="norm",
    block="layer.{}.",
    norm1="norm1",
    qkv=("attention.q_proj", "attention.k_proj", "attention.v_proj"),
    query_bias="attention.q_proj.bias",
    value_bias="attention.v_proj.bias",
    out="attention.o_proj",
    norm2="norm2",
    up="mlp.up_proj",
    down="mlp.down_proj",
    scale1="layer_scale1.lambda1",
    scale2="layer_scale2.lambda1",
)
LICENCE = "DINOv3's, https://ai.meta.com/resources/models-and-libraries/dinov3-license"


FORMAT = Format(
    title="Hugging Face transformers, DINOv3",
    family="dinov3",
    layout="torch",
    stem=("embeddings.patch_embeddings.weight",),
    identify=partial(LAYERS.identify, variant="qv_bias"),
    names=LAYERS.names,
    rename=renaming((r"model\.layer\.", "layer.")),
    normalisation="imagenet",
    rule=rule(
        "transformers' names of DINOv3",
        CLASS_TOKEN,
        "1e-5",
        f"{IMAGENET}, of the networks trained on web images",
    ),
    licence=LICENCE,
    reference=by_transformers("DINOv3ViTModel", "DINOv3ViTConfig"),
    aside=(r"(^|\.)mask_token$", r"(^|\.)rope_embeddings\."),
)
