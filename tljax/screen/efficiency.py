"""Estimates with how many training images one candidate reaches the AUC of another one with all images."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

RESAMPLES = 2000
LEVEL = 0.95


class Equivalence(NamedTuple):
    """Number of images with which the first candidate reaches the second with all; NaN if it never does."""

    images: float
    low: float
    high: float


def equivalence(
    sizes: Sequence[float],
    first: Sequence[Float[np.ndarray, "f _d"]],
    second: Float[np.ndarray, " f"],
    seed: int = 0,
) -> Equivalence:
    """Finds where the learning curve of the first candidate reaches the AUC of the second with all images.

    The curve is interpolated linearly in the logarithm of the number of images. The 95 % interval comes from a
    bootstrap over folds and, within folds, draws. A limit is infinite if the curve does not reach the AUC in that share
    of the resamples, and the smallest size if it is above the AUC from the start.

    Args:
        sizes: numbers of training images, in rising order; the last one is that of all images.
        first: for each size, the AUC of the first candidate by fold and draw.
        second: the AUC of the second candidate with all images, by fold.
    """
    rng = np.random.default_rng(seed)
    folds = len(second)
    found = [_crossing(sizes, [values.mean() for values in first], second.mean())]
    for _ in range(RESAMPLES):
        taken = rng.integers(0, folds, folds)
        means = []
        for values in first:
            drawn = rng.integers(0, values.shape[1], (folds, values.shape[1]))
            means.append(values[taken[:, None], drawn].mean())
        found.append(_crossing(sizes, means, second[taken].mean()))
    point, *resampled = found
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="nearest")
    return Equivalence(point if np.isfinite(point) else float("nan"), float(low), float(high))


def _crossing(sizes: Sequence[float], means: Sequence[float], level: float) -> float:
    """Returns the smallest number of images at which a curve of means reaches a level; infinity if it does not."""
    reached = [place for place, mean in enumerate(means) if mean >= level]
    if not reached:
        return float("inf")
    place = reached[0]
    if place == 0:
        return float(sizes[0])
    before, after = means[place - 1], means[place]
    share = (level - before) / (after - before)
    return float(np.exp(np.log(sizes[place - 1]) + share * np.log(sizes[place] / sizes[place - 1])))
