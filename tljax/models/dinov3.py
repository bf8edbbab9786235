"""DINOv3's vision transformers (Siméoni et al. 2025, https://arxiv.org/abs/2508.10104): rotary positions, registers.

The features are the class token's after the last LayerNorm, as transformers' `pooler_output` has them. (timm's default
is the mean over the patches; its own documentation recommends the class token.)
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from tljax.models.transformer import Architecture, Variant, VisionTransformer
from tljax.models.vit import SIZES

ARCHITECTURES = {f"dinov3_{size}": Architecture(*shape, patch=16) for size, shape in SIZES.items()}
ARCHITECTURES["dinov3_tiny"] = Architecture(32, 4, 2, 8)

_ROTARY = Variant(registers=4, positions="rotary", layer_scale=1.0, qkv_biases="none", epsilon=1e-5)
VARIANTS = {
    "qv_bias": dataclasses.replace(_ROTARY, qkv_biases="query_value"),  # the authors', transformers, timm's `qkvb`
    "no_bias": _ROTARY,  # timm's others: in the weights that were released these biases are zero
}


class Network(VisionTransformer):
    def __init__(
        self,
        architecture: str,
        variant: str,
        num_classes: int,
        *,
        dropout: float = 0.5,
        dtype: DTypeLike = jnp.float32,
        rng: np.random.Generator | None,
    ):
        size, kind = ARCHITECTURES[architecture], VARIANTS[variant]
        super().__init__(size, kind, num_classes, dropout=dropout, dtype=dtype, rng=rng)
        self.variant = variant
