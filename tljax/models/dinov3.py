"""DINOv3's vision transformers (Siméoni et al. 2025, https://arxiv.org/abs/2508.10104): rotary positions, registers.

The features are the class token after the last LayerNorm, like `pooler_output` in transformers. (timm's default is the
mean over the patches, but its documentation recommends the class token.)
"""

import dataclasses

from tljax.models.transformer import Architecture, Variant, VisionTransformer
from tljax.models.vit import SIZES

ARCHITECTURES = {f"dinov3_{size}": Architecture(*shape, patch=16) for size, shape in SIZES.items()}
ARCHITECTURES["dinov3_tiny"] = Architecture(32, 4, 2, 8)

_ROTARY = Variant(registers=4, positions="rotary", layer_scale=1.0, qkv_biases="none", epsilon=1e-5)
VARIANTS = {
    "qv_bias": dataclasses.replace(_ROTARY, qkv_biases="query_value"),  # the authors', transformers, timm's `qkvb`
    "no_bias": _ROTARY,  # timm's other networks: in the released weights these biases are zero
}


class Network(VisionTransformer):
    architectures, variants = ARCHITECTURES, VARIANTS
