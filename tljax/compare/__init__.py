"""Compares how networks represent the same images, layer by layer. Every network sees every image once."""

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import numpy as np
from jaxtyping import UInt8

from tljax.compare import full, paper
from tljax.compare.options import Options
from tljax.compare.row import Row
from tljax.core.errors import UserError
from tljax.weights.networks import Network

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
    """Returns every measure of every pair of networks at every layer.

    Args:
        networks: at least two. All see the images in the same pass.
        pairs: the networks to compare, by position; None: all pairs.
        protocol: "paper" draws 64 channels and about 10,000 positions five times; "full" takes all of both.
        layers: "named": the named layers of each network, paired by name, or by relative depth if the names differ
            (`full.paired_layers`); "all": every block of one network with every block of the other, pooled.
        pool: "none": each position of each image is a sample; "gap": each image is a sample, averaged over positions.
        patients: the patient of each image. Intervals then use blocks of patients, and the images of a mismatched pair
            are of different patients.
        seed: of the random blocks, and of the images and channels of the paper's protocol.
        progress: show progress bars, if standard error is a terminal.

    Raises:
        UserError: there are fewer than two networks or images, an option is unknown or out of range, options contradict
            each other, layers of different sizes are not pooled, activations are not finite, or memory is too small.
    """
    options = Options(
        protocol=protocol,
        measures=tuple(dict.fromkeys(measures)),
        layers=layers,
        pool=pool,
        patients=patients,
        batch_size=batch_size,
        seed=seed,
        progress=progress,
    )
    _check_images(images, patients)
    pairs = list(pairs) if pairs is not None else list(combinations(range(len(networks)), 2))
    _check_pairs(pairs, len(networks))
    return {"full": full.compare, "paper": paper.compare}[protocol](networks, images, pairs, options)


def _check_images(images: np.ndarray, patients: Sequence[str] | None) -> None:
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
        raise UserError(
            f"images must be uint8 of 0..255 and shape n h w 3, before any normalisation; these are {images.dtype} of "
            f"shape {' '.join(map(str, images.shape))}"
        )
    if len(images) < 2:
        raise UserError(f"{len(images)} image is too few to compare networks: choose another --split")
    if patients is not None and len(patients) != len(images):
        raise UserError(f"there are {len(images)} images but {len(patients)} patients: give the patient of each image")


def _check_pairs(pairs: Sequence[tuple[int, int]], networks: int) -> None:
    if networks < 2 or not pairs:
        raise UserError("name at least two networks to compare")
    for one, other in pairs:
        if one == other or not (0 <= one < networks and 0 <= other < networks):
            raise UserError(f"pair ({one}, {other}): it must have two different positions of 0..{networks - 1}")
