"""Hugging Face transformers' `Dinov2Model` and `Dinov2WithRegistersModel`: DINOv2 and RAD-DINO.

The head of `Dinov2ForImageClassification` is left out, because it takes both the class token and the mean of the
patches.
"""

from tljax.weights.formats import Format, Shapes, renaming, require, timm_dinov2
from tljax.weights.formats.huggingface_vit import ATTENTION
from tljax.weights.transformer.names import CLASS_TOKEN, IMAGENET, TRANSFORMERS, rule
from tljax.weights.transformer.reference import by_transformers


def identify(shapes: Shapes) -> tuple[str, str]:
    require(shapes, has=r"encoder\.layer\.0\.layer_scale1\.")
    variant = "dinov2_reg" if "embeddings.register_tokens" in shapes else "dinov2_transformers"
    return TRANSFORMERS.identify(shapes, variant)


FORMAT = Format(
    title="Hugging Face transformers, DINOv2",
    family="vit",
    layout="torch",
    stem=("embeddings.patch_embeddings.projection.weight",),
    identify=identify,
    names=TRANSFORMERS.names,
    rename=renaming(*ATTENTION),
    normalisation="imagenet",
    rule=rule(
        "transformers' names of DINOv2",
        CLASS_TOKEN,
        "1e-6",
        IMAGENET,
        "if it is RAD-DINO's, use --normalisation rad_dino",
    ),
    licence=timm_dinov2.LICENCE,
    reference=by_transformers("Dinov2Model", "Dinov2Config"),
    aside=(r"(^|\.)mask_token$",),
)
