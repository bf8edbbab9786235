"""Recognises the fixed positions of MAE and MoCo v3, whose tensors are otherwise those of supervised networks."""

import math
from typing import Literal

import numpy as np
from jaxtyping import Float

from tljax.weights.files import Source
from tljax.weights.formats import Description
from tljax.weights.match import Match
from tljax.weights.names import in_file
from tljax.weights.transformer.names import IMAGENET

TOLERANCE = 1e-3  # as files in half precision have
BASE = 10000.0
NARROW = 384  # the width of MoCo v3's ViT-S, which has twice as many heads as others of this width

Origin = Literal["mae", "moco_v3"]


def origin_of(positions: Float[np.ndarray, "t c"]) -> Origin | None:
    """Returns whose fixed embeddings these are, the class token's first; None for learned ones.

    Both are sines and cosines of the column and of the row (MAE's `get_2d_sincos_pos_embed`; MoCo v3's
    `build_2d_sincos_position_embedding`). MAE begins with the column, MoCo v3 with the row.
    """
    side, width = math.isqrt(len(positions) - 1), positions.shape[1]
    if side * side != len(positions) - 1 or width % 4 or np.abs(positions[0]).max() > TOLERANCE:
        return None
    angles = np.arange(side)[:, None] / BASE ** (np.arange(width // 4) / (width // 4))
    waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    row, column = np.repeat(waves, side, axis=0), np.tile(waves, (side, 1))
    found: dict[Origin, np.ndarray] = {
        "mae": np.concatenate([column, row], axis=1),
        "moco_v3": np.concatenate([row, column], axis=1),
    }
    return next((name for name, grid in found.items() if np.abs(positions[1:] - grid).max() < TOLERANCE), None)


def describe(encoder_of_mae: str, source: Source, match: Match) -> Description:
    """Returns what the positions in a file tell about a network with the names of supervised ones.

    encoder_of_mae: the variant of MAE's encoder.
    """
    (positions,) = in_file(match.names["positions"])
    return described(source.tensors[positions], encoder_of_mae, has_head=match.has_head)


def described(positions: np.ndarray, encoder_of_mae: str, *, has_head: bool) -> Description:
    """Returns what position embeddings `1 t c` tell about their network: nothing if they are learned.

    encoder_of_mae: the variant of MAE's encoder. has_head: whether there is a head of classes. Such a network keeps its
    class token, by which MAE's linear probes classify.
    """
    positions = positions.reshape(-1, positions.shape[-1]).astype(np.float32)
    origin = origin_of(positions)
    if origin == "mae" and not has_head:
        remark = (
            "the positions are MAE's fixed ones, so this is taken for the encoder of MAE: features are the mean over "
            f"the patches, {IMAGENET}"
        )
        return Description(encoder_of_mae, normalisation="imagenet", remarks=(remark,))
    if origin == "moco_v3":
        narrow = positions.shape[1] == NARROW
        heads = "heads of 32 channels, " if narrow else ""
        remark = f"the positions are MoCo v3's fixed ones, so this is taken for its network: {heads}{IMAGENET}"
        return Description("moco_v3_small" if narrow else None, normalisation="imagenet", remarks=(remark,))
    return Description()
