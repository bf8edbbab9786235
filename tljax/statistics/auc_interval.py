"""The interval of the AUC of a single run, over patients, or over images where patients are unknown.

Labels are class numbers `n` in 0..k-1, probabilities `n k`.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import optimize, stats

from tljax.statistics import metrics
from tljax.statistics.estimates import LEVEL, ROUNDING, Estimate
from tljax.statistics.metrics import Labels, Probabilities
from tljax.statistics.placements import Units, influence_of, placements, units_of


def auc_interval(
    labels: Labels, probabilities: Probabilities, patients: Sequence[str] | None = None, *, level: float = LEVEL
) -> Estimate:
    """Returns the AUC of one run with a score interval over patients, or over images where patients are unknown.

    The interval contains every AUC from which the observed one is no further away than a quantile times the standard
    error at that AUC: Newcombe's method 5 (2006, doi 10.1002/sim.2324). It keeps its level for AUCs near 1 and for few
    positives.

    Images of one patient that score alike count as fewer images, by the ratio of the variance over patients (Obuchowski
    1997) to that over images. The variance is never less than DeLong's. Few patients leave the variance itself
    uncertain, so the quantile is that of Student's t with Satterthwaite's degrees of freedom. With three classes or
    more, the one-vs-rest AUCs count as independent, weighted by prevalence. `benchmarks/auc_intervals.py` measures the
    coverage.

    Returns:
        NaN if fewer than two classes are present. If a class has one patient only, the interval is nearly 0..1.
    """
    value = metrics.auc(labels, probabilities)
    if np.isnan(value):
        return Estimate(value, value, value)
    units = units_of(labels, patients)
    of_classes = placements(labels, probabilities)
    sides = [_clustered(units[rows], values) for of_class in of_classes for rows, values in of_class.sides]
    weights = np.array([of_class.weight for of_class in of_classes])
    sizes = np.array([side.effective for side in sides]).reshape(-1, 2)

    def variance(auc: float) -> float:
        return float(np.sum(weights**2 * [_newcombe(auc, *size) for size in sizes]))

    observed = float(np.sum(influence_of(of_classes, units).added ** 2))
    scale = max(observed / variance(value), 1.0) if 0 < value < 1 else 1.0
    quantile = stats.t.ppf((1 + level) / 2, _degrees_of_freedom(sides, np.repeat(weights, 2) ** 2))
    return Estimate(value, *_score_interval(value, lambda auc: quantile * np.sqrt(scale * variance(auc))))


class _Side(NamedTuple):
    """What the images of a class, or all other images, contribute to the variance of the AUC of that class."""

    variance: float
    units: int
    effective: float
    """The number of independent images that would have this variance."""


def _clustered(units: Units, values: Float[np.ndarray, " n"]) -> _Side:
    """Returns the variance of the mean placement over units, and the effective number of images.

    With a single unit, the variance is the largest that the mean allows, and the images count as one.
    """
    _, member = np.unique(units, return_inverse=True)
    images, count = len(values), int(member.max()) + 1
    if count < 2:
        return _Side(float(values.mean() * (1 - values.mean())), 1, 1.0)
    centred = values - values.mean()
    over_units = count / (count - 1) * float(np.sum(np.bincount(member, weights=centred) ** 2)) / images**2
    over_images = float(np.sum(centred**2)) / (images - 1) / images
    effective = images / max(over_units / over_images, 1.0) if over_images > ROUNDING**2 else count
    return _Side(over_units, count, float(max(effective, 1.0)))


def _degrees_of_freedom(sides: Sequence[_Side], weights: Float[np.ndarray, " sides"]) -> float:
    """Returns Satterthwaite's degrees of freedom of a weighted sum of variances, at least 1."""
    variances = weights * [side.variance for side in sides]
    degrees = np.array([max(side.units - 1, 1) for side in sides])
    if variances.sum() == 0:
        return float(degrees.min())
    return float(variances.sum() ** 2 / np.sum(variances**2 / degrees))


def _newcombe(auc: float, positives: float, negatives: float) -> float:
    """Returns the variance of an estimate of the true `auc`, from numbers of images (Newcombe 2006, method 5)."""
    mean = (positives + negatives) / 2 - 1
    spread = 1 + mean * (1 - auc) / (2 - auc) + mean * auc / (1 + auc)
    return auc * (1 - auc) * spread / (positives * negatives)


def _score_interval(value: float, reach: Callable[[float], float]) -> tuple[float, float]:
    """Returns the smallest and the largest true value in 0..1 from which `value` is at most `reach(true)` away."""

    def beyond(true: float) -> float:
        return abs(value - true) - reach(true)

    within = float(np.clip(value, 1e-9, 1 - 1e-9))  # at 0 and 1 themselves the standard error is 0
    ends = [
        end if value == end or beyond(outmost) <= 0 else _root(beyond, outmost, within)
        for end, outmost in ((0.0, ROUNDING), (1.0, 1 - ROUNDING))
    ]
    return ends[0], ends[1]


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    found: Any = optimize.brentq(function, low, high)
    return float(found)
