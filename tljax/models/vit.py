"""Vision transformers with learned position embeddings, as in timm, torchvision, transformers and their authors' code.

The tensors of one variant fit several others, and load without any error if the variant is wrong. The name of a variant
is that of the pre-training, and also of the library if libraries differ in an epsilon or in the way in which they
resize position embeddings.
"""

import dataclasses
import re

from tljax.models.positions import ANTIALIASED, CORNERS, SCALED, SIZED
from tljax.models.transformer import Architecture, Variant, VisionTransformer

SIZES = {"small": (384, 12, 6), "base": (768, 12, 12), "large": (1024, 24, 16)}  # width, depth, heads
PATCH_AND_IMAGE = ((8, 224), (14, 224), (14, 336), (14, 518), (16, 224), (16, 384))  # sides in pixels


def named(name: object) -> Architecture | None:
    """Returns the architecture of a name such as 'vit_base_patch16_512'; None for another name."""
    found = re.fullmatch(rf"vit_({'|'.join(SIZES)})_patch([1-9]\d?)_([1-9]\d{{0,3}})", str(name))
    if found is None or int(found[3]) % int(found[2]):
        return None
    return Architecture(*SIZES[found[1]], int(found[2]), int(found[3]))


class Architectures(dict[str, Architecture]):
    """The usual architectures by name. Those of other patches and image sizes are in it too, but are not listed."""

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or named(name) is not None

    def __missing__(self, name: str) -> Architecture:
        if (found := named(name)) is None:
            raise KeyError(name)
        return found


ARCHITECTURES = Architectures(
    {
        f"vit_{size}_patch{patch}_{image}": Architecture(*shape, patch, image)
        for size, shape in SIZES.items()
        for patch, image in PATCH_AND_IMAGE
    }
)
ARCHITECTURES["vit_tiny"] = Architecture(32, 4, 2, 8, 32)

# The features are those that the source uses for classification or retrieval: in all but MAE, the class token after the
# last LayerNorm; in CLIP, before the projection to the space that images and texts share.
_DINOV2 = Variant(layer_scale=1.0, interpolation=SCALED)
# MAE's authors fine-tune with a new LayerNorm after the mean over the patches (`fc_norm`): such networks are
# `mae_tuned`. Without fine-tuning, the features are the mean over the patches after the encoder's own LayerNorm.
_MAE = Variant(pooling="mean")
_CLIP = Variant(norm_tokens=True, patch_bias=False, epsilon=1e-5, interpolation=ANTIALIASED, normalisation="clip")

VARIANTS = {
    "timm": Variant(interpolation=ANTIALIASED, normalisation="inception"),
    "timm_no_qkv_bias": Variant(interpolation=ANTIALIASED, qkv_biases="none", normalisation="inception"),
    "moco_v3_small": Variant(interpolation=ANTIALIASED, heads=2),
    "timm_reg": Variant(registers=4, positions="all", interpolation=ANTIALIASED),
    "torchvision": Variant(interpolation=CORNERS),
    "transformers": Variant(epsilon=1e-12, normalisation="inception"),
    "transformers_no_qkv_bias": Variant(epsilon=1e-12, qkv_biases="none", normalisation="inception"),
    "dino": Variant(interpolation=SCALED),
    "dinov2": _DINOV2,
    "dinov2_timm": dataclasses.replace(_DINOV2, interpolation=ANTIALIASED),
    "dinov2_transformers": dataclasses.replace(_DINOV2, interpolation=SIZED),
    "dinov2_reg": dataclasses.replace(_DINOV2, registers=4, interpolation=ANTIALIASED),
    "dinov2_reg_timm": dataclasses.replace(_DINOV2, registers=4, positions="patches", interpolation=ANTIALIASED),
    "mae": _MAE,
    "mae_transformers": dataclasses.replace(_MAE, epsilon=1e-12),
    "mae_tuned": dataclasses.replace(_MAE, norm_first=False),
    "clip": _CLIP,
    "clip_quick": dataclasses.replace(_CLIP, gelu="quick"),
    "clip_transformers": dataclasses.replace(_CLIP, interpolation=SIZED),
    "clip_quick_transformers": dataclasses.replace(_CLIP, interpolation=SIZED, gelu="quick"),
}


class Network(VisionTransformer):
    architectures, variants = ARCHITECTURES, VARIANTS
