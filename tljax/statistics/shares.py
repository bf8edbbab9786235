"""The interval of a share, such as an accuracy, by image or by patient."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool
from scipy import stats

from tljax.statistics.estimates import LEVEL, Estimate


def share_interval(
    successes: Bool[np.ndarray, " n"], units: Sequence[str] | None = None, *, level: float = LEVEL
) -> Estimate:
    """Returns the share of successes in 0..1 with Wilson's interval, by image or by unit (patient).

    Images of one unit do not count as independent: the interval is that of `effective_images` images. It is 0..1 for
    one unit.
    """
    from statsmodels.stats.proportion import proportion_confint

    share = float(successes.mean())
    images = len(successes) if units is None else effective_images(successes, units, level)
    if not images:
        return Estimate(share, 0.0, 1.0)
    ends: Any = proportion_confint(share * images, images, alpha=1 - level, method="wilson")
    return Estimate(share, *map(float, ends))


def effective_images(successes: Bool[np.ndarray, " n"], units: Sequence[str], level: float = LEVEL) -> float:
    """Returns the number of independent images that would estimate the share of successes as precisely as these units.

    It is at most the number of images, and 0 for one unit. The variance over G units is itself uncertain, so the
    quantile of Student's t with G - 1 degrees of freedom replaces the normal one; the number of images is reduced to
    match.
    """
    share = successes.mean()
    _, member = np.unique(np.asarray(units), return_inverse=True)
    deviations = np.bincount(member, weights=successes - share)
    groups = len(deviations)
    if groups < 2:
        return 0.0
    if share in (0, 1):  # no variation is observed, which does not show how much there could be
        return float(groups)
    variance = groups / (groups - 1) * np.sum(deviations**2) / len(successes) ** 2
    images = min(share * (1 - share) / max(variance, np.finfo(float).tiny), len(successes))
    tail = (1 + level) / 2
    return float(images * np.square(stats.norm.ppf(tail) / stats.t.ppf(tail, groups - 1)))
