"""How alike networks represent the same images, layer by layer: every network sees every image once."""

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import numpy as np
from jaxtyping import UInt8

from tljax.compare import full, paper
from tljax.compare.table import Row
from tljax.errors import UserError
from tljax.networks import Network

__all__ = ["MEASURES", "Row", "compare"]

MEASURES = ("cca", "debiased_cka")


def compare(
    networks: Sequence[Network],
    images: UInt8[np.ndarray, "n h w 3"],
    *,
    pairs: Sequence[tuple[int, int]] | None = None,
    protocol: Literal["paper", "full"] = "full",
    measures: Sequence[str] = MEASURES,
    layers: Literal["named", "all"] = "named",
    pool: Literal["none", "gap"] = "none",
    patients: Sequence[str] | None = None,
    batch_size: int = 32,
    seed: int = 0,
    progress: bool = False,
) -> list[Row]:
    """Every measure of every pair of networks at every layer.

    Args:
        networks: at least two; each pass over the images is shared by all of them.
        pairs: the networks to compare, by position; None: every two of them.
        protocol: "paper" draws 64 channels and about 10,000 positions five times; "full" takes all of both.
        layers: "named": conv1 and the four stages, each with its like; "all": every block with every block, pooled.
        pool: "none": each position of each image is a sample; "gap": each image is one, averaged over positions.
        patients: of the images; an interval then rests on blocks of patients, else on blocks of images.
        seed: of what is drawn: blocks, and the images and channels of the paper's protocol.
        progress: show bars on standard error, where it is a terminal.

    Raises:
        UserError: fewer than two networks or images, an unknown measure, options that exclude one another, layers of
            different sizes unpooled, or activations that are not finite.
    """
    if len(networks) < 2:
        raise UserError("name at least two networks to compare")
    if len(images) < 2:
        raise UserError(f"{len(images)} image is too few to compare networks on: choose another --split")
    if layers == "all" and pool == "none":
        raise UserError("layers of different sizes can be compared only pooled: add --pool gap")
    pairs = list(pairs) if pairs is not None else list(combinations(range(len(networks)), 2))
    if protocol == "full":
        return full.compare(
            networks, images, pairs, tuple(measures), layers, pool, patients, batch_size, seed, progress
        )
    if layers == "all" or pool == "gap":
        raise UserError("the paper's protocol takes positions of the named layers: leave out --layers and --pool")
    return paper.compare(networks, images, pairs, tuple(measures), batch_size, seed, progress)
