"""Hugging Face transformers' `ViTModel` and `ViTForImageClassification`: Google's ViT, Meta's DINO and others.

Files on its hub, and all files that it saves, have names such as `encoder.layer.0.attention.attention.query`. In
memory, transformers 5 names the same layer `layers.0.attention.q_proj`.
"""

from dataclasses import replace
from functools import partial

from tljax.weights.formats import Format, Shapes, renaming, require
from tljax.weights.transformer import positions
from tljax.weights.transformer.names import CLASS_TOKEN, TRANSFORMERS, rule
from tljax.weights.transformer.reference import by_transformers

LAYERS = replace(
    TRANSFORMERS, norm1="layernorm_before", norm2="layernorm_after", up="intermediate.dense", down="output.dense"
)
ATTENTION = tuple(
    (rf"encoder\.layer\.(\d+)\.attention\.{new}\.", rf"encoder.layer.\1.attention.{old}.")
    for new, old in (
        ("q_proj", "attention.query"),
        ("k_proj", "attention.key"),
        ("v_proj", "attention.value"),
        ("o_proj", "output.dense"),
    )
)
RENAME = renaming(
    (r"layers\.(\d+)\.(?=attention\.|layernorm_|mlp\.)", r"encoder.layer.\1."),
    *ATTENTION,
    (r"encoder\.layer\.(\d+)\.mlp\.fc1\.", r"encoder.layer.\1.intermediate.dense."),
    (r"encoder\.layer\.(\d+)\.mlp\.fc2\.", r"encoder.layer.\1.output.dense."),
)


def identify(shapes: Shapes) -> tuple[str, str]:
    require(shapes, has=r"encoder\.layer\.0\.layernorm_before\.")
    return LAYERS.identify(shapes, "transformers_no_qkv_bias" if LAYERS.without_qkv_bias(shapes) else "transformers")


FORMAT = Format(
    title="Hugging Face transformers, ViT",
    family="vit",
    layout="torch",
    stem=("embeddings.patch_embeddings.projection.weight",),
    identify=identify,
    names=LAYERS.names,
    rename=RENAME,
    normalisation="inception",
    rule=rule(
        "transformers' names of a ViT",
        CLASS_TOKEN,
        "1e-12",
        "input RGB in -1..1, as for Google's weights",
        "if it is DINO's, use --normalisation imagenet; if it is the encoder of MAE, use --variant mae_transformers "
        "--normalisation imagenet",
    ),
    licence="Apache-2.0 for Google's and Meta's weights",
    describe=partial(positions.describe, "mae_transformers"),
    reference=by_transformers("ViTModel", "ViTConfig"),
    aside=(r"(^|\.)pooler\.", r"(^|\.)mask_token$", r"^decoder\.0\."),  # the last: of ViTForMaskedImageModeling
)
