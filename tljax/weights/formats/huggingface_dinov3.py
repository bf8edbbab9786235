"""Hugging Face transformers' `DINOv3ViTModel`: `layer.0.` in files, `model.layer.0.` in memory since transformers 5."""

from tljax.models.dinov3 import ARCHITECTURES, VARIANTS
from tljax.weights.formats import Format, Shapes, renaming
from tljax.weights.names import Names
from tljax.weights.transformer import CLASS_TOKEN, IMAGENET, Layers, architecture, rule, tensor_names
from tljax.weights.transformer_reference import by_transformers

LAYERS = Layers(
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


def identify(shapes: Shapes) -> tuple[str, str]:
    return architecture(LAYERS, shapes, None, ARCHITECTURES), "qv_bias"


def names(backbone: str, variant: str) -> Names:
    return tensor_names(LAYERS, ARCHITECTURES[backbone], VARIANTS[variant])


FORMAT = Format(
    title="Hugging Face transformers, DINOv3",
    family="dinov3",
    layout="torch",
    stem=("embeddings.patch_embeddings.weight",),
    identify=identify,
    names=names,
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
