"""Vision transformers with learned position embeddings, as timm, torchvision, transformers and their authors have them.

Tensors of one variant fit several others, and load without any error where the variant is wrong. A variant is named by
the pre-training, and by the library where libraries differ in an epsilon or in how they resize position embeddings.
"""

import dataclasses

from tljax.models.positions import ANTIALIASED, CORNERS, SCALED, SIZED
from tljax.models.transformer import Architecture, Variant, VisionTransformer

SIZES = {"small": (384, 12, 6), "base": (768, 12, 12), "large": (1024, 24, 16)}  # width, depth, heads
CUTS = ((8, 224), (14, 224), (14, 336), (14, 518), (16, 224), (16, 384))  # patch, image

ARCHITECTURES = {
    f"vit_{size}_patch{patch}_{image}": Architecture(*shape, patch, image)
    for size, shape in SIZES.items()
    for patch, image in CUTS
}
ARCHITECTURES["vit_tiny"] = Architecture(32, 4, 2, 8, 32)

# Features are what the source classifies or retrieves by: in all but MAE the class token after the last LayerNorm; in
# CLIP before the projection to the space that it shares with texts.
_DINOV2 = Variant(layer_scale=1.0, interpolation=SCALED)
# MAE's authors fine-tune with a new LayerNorm after the mean over the patches (`fc_norm`): such networks are
# `mae_tuned`. Of one that is not fine-tuned, features are the mean over the patches after the encoder's own LayerNorm.
_MAE = Variant(pooling="mean")
_CLIP = Variant(norm_tokens=True, patch_bias=False, epsilon=1e-5, interpolation=ANTIALIASED, normalisation="clip")

VARIANTS = {
    "timm": Variant(interpolation=ANTIALIASED, normalisation="inception"),
    "timm_reg": Variant(registers=4, positions="all", interpolation=ANTIALIASED),
    "torchvision": Variant(interpolation=CORNERS),
    "transformers": Variant(epsilon=1e-12, normalisation="inception"),
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
