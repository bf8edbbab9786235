"""Hugging Face transformers' `ViTMAEForPreTraining`: an encoder and a decoder.

A `ViTMAEModel` alone has the names of a ViT, and is read as one.
"""

from dataclasses import replace

from tljax.weights.formats import Shapes, huggingface_vit, mae, require
from tljax.weights.transformer.names import IMAGENET, MEAN, rule

ENCODER = "vit."
LAYERS = huggingface_vit.LAYERS.below(ENCODER)


def identify(shapes: Shapes) -> tuple[str, str]:
    require(shapes, has=r"decoder\.(decoder_|mask_token)")
    return LAYERS.identify(shapes, "mae_transformers")


FORMAT = replace(
    huggingface_vit.FORMAT,
    title="Hugging Face transformers, MAE",
    stem=(f"{ENCODER}embeddings.patch_embeddings.projection.weight",),
    identify=identify,
    names=LAYERS.names,
    normalisation="imagenet",
    rule=rule("transformers' names next to MAE's decoder", f"{MEAN} after the encoder's LayerNorm", "1e-12", IMAGENET),
    licence=mae.FORMAT.licence,
    aside=(*huggingface_vit.FORMAT.aside, r"^decoder\."),
    reference=None,
    describe=None,
)
