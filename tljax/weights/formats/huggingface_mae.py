"""Hugging Face transformers' `ViTMAEForPreTraining`: an encoder and a decoder. (`ViTMAEModel` alone reads as a ViT.)"""

from dataclasses import replace

from tljax.models.vit import ARCHITECTURES, VARIANTS
from tljax.weights.formats import Shapes, huggingface_vit, mae, require
from tljax.weights.names import Names
from tljax.weights.transformer import IMAGENET, MEAN, architecture, rule, tensor_names

ENCODER = "vit."
LAYERS = replace(
    huggingface_vit.LAYERS,
    **{
        name: ENCODER + getattr(huggingface_vit.LAYERS, name)
        for name in ("patch", "class_token", "positions", "norm", "block")
    },
)


def identify(shapes: Shapes) -> tuple[str, str]:
    require(shapes, has=r"decoder\.")
    return architecture(LAYERS, shapes, VARIANTS["mae_transformers"].placed, ARCHITECTURES), "mae_transformers"


def names(backbone: str, variant: str) -> Names:
    return tensor_names(LAYERS, ARCHITECTURES[backbone], VARIANTS[variant])


FORMAT = replace(
    huggingface_vit.FORMAT,
    title="Hugging Face transformers, MAE",
    stem=(f"{ENCODER}embeddings.patch_embeddings.projection.weight",),
    identify=identify,
    names=names,
    normalisation="imagenet",
    rule=rule("transformers' names next to MAE's decoder", f"{MEAN} after the encoder's LayerNorm", "1e-12", IMAGENET),
    licence=mae.FORMAT.licence,
    aside=(*huggingface_vit.FORMAT.aside, r"^decoder\."),
    reference=None,
)
