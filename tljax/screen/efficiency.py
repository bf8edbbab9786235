"""How many images one candidate needs to do as well as another does on all of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

RESAMPLES = 2000
LEVEL = 0.95


class Equivalence(NamedTuple):
    """Images at which the first candidate equals the second on all; NaN where it does not on any number tried."""

    images: float
    low: float
    high: float


def equivalence(
    sizes: Sequence[float],
    first: Sequence[Float[np.ndarray, "f _d"]],
    second: Float[np.ndarray, " f"],
    seed: int = 0,
) -> Equivalence:
    """Finds where the first candidate's curve reaches the second's value on all images, linear in the log of images.

    The interval is that of a bootstrap over folds and, within them, draws; infinite where the curve does not reach it
    in that share of the resamples, and the smallest size where it is above it from the start.

    Args:
        sizes: training images, rising, the last of all of them.
        first: for each size the AUC by fold and draw.
        second: its AUC on all images, by fold.
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
    """The smallest number of images at which a curve of means reaches a level; infinity where it does not."""
    reached = [place for place, mean in enumerate(means) if mean >= level]
    if not reached:
        return float("inf")
    place = reached[0]
    if place == 0:
        return float(sizes[0])
    before, after = means[place - 1], means[place]
    share = (level - before) / (after - before)
    return float(np.exp(np.log(sizes[place - 1]) + share * np.log(sizes[place] / sizes[place - 1])))
