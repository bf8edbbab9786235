"""How sure a figure is: intervals, paired tests and secondary scores of cross-validated predictions.

The unit of resampling is the patient where patients are known, else the image. Labels are class numbers `n` in 0..k-1,
probabilities `n k` (see `tljax.statistics.metrics`). All levels are two-sided.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer
from scipy import optimize, stats

from tljax.statistics import metrics
from tljax.statistics.metrics import Labels, Probabilities

SeedProbabilities = Float[np.ndarray, "_ n k"]

LEVEL = 0.95
_ROUNDING = 1e-12  # of scores in 0..1: a standard error below it is none


@dataclass(frozen=True)
class Estimate:
    """A figure with the interval that holds the true one in 95 of 100 experiments, unless another level was asked."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison(Estimate):
    """A difference (first minus second), its interval and the p-value of there being none."""

    p: float
    standard_error: float


@dataclass(frozen=True)
class FoldPredictions:
    """Test predictions of two networks (or more) on the images of one fold."""

    labels: Labels
    probabilities: Sequence[Probabilities | SeedProbabilities]
    """Of each network `n k`, or `s n k` where several seeds were trained."""
    patients: Sequence[str] | None = None


def auc_interval(
    labels: Labels, probabilities: Probabilities, patients: Sequence[str] | None = None, *, level: float = LEVEL
) -> Estimate:
    """Returns the AUC of one run with a score interval over patients, or over images where patients are unknown.

    The interval holds every AUC whose own standard error puts the observed one within reach: Newcombe's method 5
    (2006, doi 10.1002/sim.2324), which holds its level near 1 and for few positives. Images of a patient that score
    alike count as fewer images, by the ratio of the variance over patients (Obuchowski 1997) to that over images. The
    variance is never less than DeLong's. The quantile is Student's t with Satterthwaite's degrees of freedom, because
    few patients leave the variance itself uncertain. With three classes or more, the one-vs-rest AUCs count as
    independent, weighted by prevalence. NaN where fewer than two classes are present; nearly 0..1 where a class has a
    single patient. `benchmarks/auc_intervals.py` measures the coverage.
    """
    value = metrics.auc(labels, probabilities)
    if np.isnan(value):
        return Estimate(value, value, value)
    unit = _units(labels, patients)
    placements = _placements(labels, probabilities)
    sides = [_clustered(unit[rows], values) for part in placements for rows, values in part.sides]
    weights = np.array([part.share for part in placements])
    sizes = np.array([side.effective for side in sides]).reshape(-1, 2)

    def variance(auc: float) -> float:
        return float(np.sum(weights**2 * [_newcombe(auc, *size) for size in sizes]))

    observed = float(np.sum(_influence(placements, unit)[1] ** 2))
    scale = max(observed / variance(value), 1.0) if 0 < value < 1 else 1.0
    quantile = stats.t.ppf((1 + level) / 2, _freedom(sides, np.repeat(weights, 2) ** 2))
    return Estimate(value, *_score_interval(value, lambda auc: quantile * np.sqrt(scale * variance(auc))))


class _Placements(NamedTuple):
    """One class against the rest: the rows of both sides, and the share of the other side that each row is right of."""

    share: float
    sides: tuple[tuple[Integer[np.ndarray, " m"], Float[np.ndarray, " m"]], ...]


class _Side(NamedTuple):
    """What one side of a class adds to the variance of its AUC."""

    variance: float
    units: int
    effective: float
    """Independent images that would give this variance."""


def _placements(labels: Labels, probabilities: Probabilities) -> list[_Placements]:
    """The placements of DeLong's variance, whose mean over either side is the AUC (midranks: Sun & Xu 2014)."""
    classes, images = ([1], [1]) if probabilities.shape[1] == 2 else np.unique(labels, return_counts=True)
    found = []
    for c, share in zip(classes, np.array(images) / np.sum(images), strict=True):
        positive, scores = labels == c, probabilities[:, c]
        midranks = stats.rankdata(scores)
        sides = []
        for side, sign in ((positive, 1), (~positive, -1)):
            outranked = (midranks[side] - stats.rankdata(scores[side])) / max((~side).sum(), 1)
            sides.append((np.flatnonzero(side), outranked if sign == 1 else 1 - outranked))
        found.append(_Placements(float(share), tuple(sides)))
    return found


def _clustered(unit: Integer[np.ndarray, " m"], values: Float[np.ndarray, " m"]) -> _Side:
    """Of a single patient the variance is the largest that the mean allows, and the images count as one."""
    _, member = np.unique(unit, return_inverse=True)
    images, units = len(values), int(member.max()) + 1
    if units < 2:
        return _Side(float(values.mean() * (1 - values.mean())), 1, 1.0)
    centred = values - values.mean()
    together = units / (units - 1) * float(np.sum(np.bincount(member, weights=centred) ** 2)) / images**2
    alone = float(np.sum(centred**2)) / (images - 1) / images
    effective = images / max(together / alone, 1.0) if alone > _ROUNDING**2 else units
    return _Side(together, units, float(max(effective, 1.0)))


def _freedom(sides: Sequence[_Side], weights: Float[np.ndarray, " sides"]) -> float:
    """Satterthwaite's degrees of freedom of a weighted sum of variances, at least 1."""
    variances = weights * [side.variance for side in sides]
    degrees = np.array([max(side.units - 1, 1) for side in sides])
    if variances.sum() == 0:
        return float(degrees.min())
    return float(variances.sum() ** 2 / np.sum(variances**2 / degrees))


def _newcombe(auc: float, positives: float, negatives: float) -> float:
    """The variance of an AUC estimate, of true value `auc`, from numbers of images (Newcombe 2006, method 5)."""
    mean = (positives + negatives) / 2 - 1
    spread = 1 + mean * (1 - auc) / (2 - auc) + mean * auc / (1 + auc)
    return auc * (1 - auc) * spread / (positives * negatives)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    found: Any = optimize.brentq(function, low, high)
    return float(found)


def _score_interval(value: float, reach: Callable[[float], float]) -> tuple[float, float]:
    """The smallest and largest true value, in 0..1, from which `value` lies within reach."""

    def beyond(true: float) -> float:
        return abs(value - true) - reach(true)

    within = float(np.clip(value, 1e-9, 1 - 1e-9))  # at 0 and 1 themselves the standard error is 0
    ends = [
        end if value == end or beyond(outmost) <= 0 else _root(beyond, outmost, within)
        for end, outmost in ((0.0, _ROUNDING), (1.0, 1 - _ROUNDING))
    ]
    return ends[0], ends[1]


def _units(labels: Labels, patients: Sequence[str] | None) -> Integer[np.ndarray, " n"]:
    """The number of each image's unit of resampling, 0..u-1."""
    return np.arange(len(labels)) if patients is None else np.unique(np.asarray(patients), return_inverse=True)[1]


def share_interval(
    successes: Bool[np.ndarray, " n"], units: Sequence[str] | None = None, *, level: float = LEVEL
) -> Estimate:
    """Returns the share of successes with Wilson's interval, by image or by unit (patient).

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
    """Returns how many independent images would estimate the share of successes as precisely as these units do.

    At most as many as there are images. A variance from G units is itself uncertain: Student's t with G - 1 degrees of
    freedom takes the place of the normal quantile, which counts as that many fewer images; 0 for one unit.
    """
    share = successes.mean()
    _, member = np.unique(np.asarray(units), return_inverse=True)
    deviations = np.bincount(member, weights=successes - share)
    groups = len(deviations)
    if groups < 2:
        return 0.0
    if share in (0, 1):  # no variation seen, which does not say how much there could be
        return float(groups)
    variance = groups / (groups - 1) * np.sum(deviations**2) / len(successes) ** 2
    images = min(share * (1 - share) / max(variance, np.finfo(float).tiny), len(successes))
    tail = (1 + level) / 2
    return float(images * np.square(stats.norm.ppf(tail) / stats.t.ppf(tail, groups - 1)))


def corrected_t(values: Float[np.ndarray, " f"], test_to_train: float, *, level: float = LEVEL) -> Comparison:
    """The corrected resampled t-test: is the mean over folds zero? (Nadeau & Bengio 2003, doi 10.1023/A:1024068626366)

    Folds share training images, so the variance of their mean is (1/f + test/train) s^2, not s^2/f. `values` are the
    differences fold by fold, of scores in 0..1; `test_to_train` is images tested over images trained on. With one fold,
    or folds that do not differ at all, the spread is unknown: the interval and p are NaN.
    """
    folds = len(values)
    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1) * np.sqrt(1 / folds + test_to_train)) if folds > 1 else 0.0
    if error < _ROUNDING:
        return Comparison(mean, *[float("nan")] * 4)
    reach = float(stats.t.ppf((1 + level) / 2, folds - 1)) * error
    return Comparison(mean, mean - reach, mean + reach, float(2 * stats.t.sf(abs(mean) / error, folds - 1)), error)


def probability_best(values: Float[np.ndarray, "f m"], test_to_train: float, seed: int = 0) -> Float[np.ndarray, " m"]:
    """The chance of each of `m` columns to have the highest mean, by the Bayesian correlated t-test.

    A multivariate t with f - 1 degrees of freedom around the observed means; for two columns it is the test of Corani &
    Benavoli (2015, doi 10.1007/s10994-015-5486-z), which agrees with `corrected_t`. NaN with one fold, and where two
    columns differ by the same in every fold, so that the spread is unknown; equal columns share the chance.
    """
    folds, columns = values.shape
    if columns == 1:
        return np.ones(1)
    gaps = values[:, :, None] - values[:, None]
    constant = (np.ptp(gaps, axis=0) < _ROUNDING) & (np.abs(gaps.mean(axis=0)) > _ROUNDING)
    if folds < 2 or constant.any():
        return np.full(columns, np.nan)
    rng = np.random.default_rng(seed)
    scatter = np.cov(values.T) * (1 / folds + test_to_train)
    normal = rng.multivariate_normal(np.zeros(columns), scatter, size=20_000, method="eigh")
    draws = values.mean(axis=0) + normal / np.sqrt(rng.chisquare(folds - 1, size=(len(normal), 1)) / (folds - 1))
    best = draws >= draws.max(axis=1, keepdims=True) - _ROUNDING
    return (best / best.sum(axis=1, keepdims=True)).mean(axis=0)


class Influence(NamedTuple):
    """The AUC of one network on one fold, and what each patient adds to its error.

    The squares of `added` sum to DeLong's variance; those of the difference of two networks, to that of the difference.
    """

    auc: float
    added: Float[np.ndarray, " u"]


def influence(
    labels: Labels, probabilities: Probabilities | SeedProbabilities, patients: Sequence[str] | None = None
) -> Influence | None:
    """Returns the influence of each patient on the AUC of one network, averaged over seeds where there are several.

    None where the AUC is undefined, or where a class has a single patient, of whose spread nothing is known.
    """
    unit = _units(labels, patients)
    if _smallest_class(labels, unit, probabilities.shape[-1]) < 2:
        return None
    return Influence(*_over_seeds(labels, probabilities, unit))


def delong(folds: Sequence[FoldPredictions], *, level: float = LEVEL) -> Comparison:
    """Returns DeLong's test between two networks, on all test predictions of their folds together.

    Images are ranked within their fold and seed, because each run has its own scale of scores. The difference is that
    of the mean AUCs over folds and seeds. Images of a patient count together (Obuchowski 1997), and so do the seeds:
    they are averaged image by image. With one fold, one seed and no patients it is the test of DeLong, DeLong &
    Clarke-Pearson (1988). More than two classes: one against the rest, weighted by prevalence. Folds without an
    `influence` are left out; NaN where none is left. Where the two networks rank all images alike, the interval and p
    are NaN.
    """
    first, second = zip(*([influence(f.labels, p, f.patients) for p in f.probabilities] for f in folds), strict=True)
    return delong_of(first, second, level=level)


def delong_of(
    first: Sequence[Influence | None], second: Sequence[Influence | None], *, level: float = LEVEL
) -> Comparison:
    """Returns `delong` from the influences of two networks fold by fold, which many pairs can share."""
    parts = [(a.auc - b.auc, a.added - b.added) for a, b in zip(first, second, strict=True) if a and b]
    if not parts:
        return Comparison(*[float("nan")] * 5)
    difference = float(np.mean([part for part, _ in parts]))
    error = float(np.sqrt(sum((u**2).sum() for _, u in parts)) / len(parts))
    if error < _ROUNDING:
        return Comparison(difference, *[float("nan")] * 4)
    reach = float(stats.norm.ppf((1 + level) / 2)) * error
    p = float(2 * stats.norm.sf(abs(difference) / error))
    return Comparison(difference, difference - reach, difference + reach, p, error)


def both_show(first: Comparison, second: Comparison, level: float = LEVEL) -> bool:
    """Returns whether two tests both find a difference, and in the same direction; False where either is NaN."""
    return first.p < 1 - level and second.p < 1 - level and first.value * second.value > 0


def _smallest_class(labels: Labels, unit: Integer[np.ndarray, " n"], classes: int) -> int:
    """The fewest patients on either side of a class; with three classes or more, of those present."""
    judged = [1] if classes == 2 else np.unique(labels)
    return min(len(np.unique(unit[side])) for c in judged for side in (labels == c, labels != c))


def _over_seeds(
    labels: Labels, probabilities: Probabilities | SeedProbabilities, unit: Integer[np.ndarray, " n"]
) -> tuple[float, Float[np.ndarray, " u"]]:
    seeds = probabilities if probabilities.ndim == 3 else probabilities[None]
    runs = [_influence(_placements(labels, of_seed), unit) for of_seed in seeds]
    return float(np.mean([area for area, _ in runs])), np.mean([added for _, added in runs], axis=0)


def _influence(
    placements: Sequence[_Placements], unit: Integer[np.ndarray, " n"]
) -> tuple[float, Float[np.ndarray, " u"]]:
    """The AUC, and what each patient adds to its error: the squares sum to DeLong's variance."""
    area, added = 0.0, np.zeros(unit.max() + 1)
    for part in placements:
        area += part.share * float(part.sides[0][1].mean())
        for rows, values in part.sides:
            units = len(np.unique(unit[rows]))
            scale = np.sqrt(units / max(units - 1, 1)) / len(rows)
            added += part.share * scale * np.bincount(unit[rows], weights=values - values.mean(), minlength=len(added))
    return area, added


def correlation(
    x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], tasks: Sequence[str] | None = None, *, level: float = LEVEL
) -> Comparison:
    """Pearson's r with Fisher's interval. Points of one task are not independent: with `tasks`, each counts as one.

    The interval and the p-value (Student's t) then have as many degrees of freedom as there are tasks; NaN below four.
    r itself is NaN below three points, as two always lie on a line.
    """
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Comparison(*[float("nan")] * 5)
    pearson: Any = stats.pearsonr(x, y)
    r = float(pearson.statistic)
    n = len(x) if tasks is None else len(set(tasks))
    if n < 4:
        return Comparison(r, *[float("nan")] * 4)
    error = 1 / np.sqrt(n - 3)
    within = np.clip(r, -1 + 1e-15, 1 - 1e-15)
    low, high = np.tanh(np.arctanh(within) + np.array([-1, 1]) * stats.norm.ppf((1 + level) / 2) * error)
    t = within * np.sqrt((n - 2) / (1 - within**2))  # SciPy's p-value, but of n that may be fewer than the points
    return Comparison(r, float(low), float(high), float(2 * stats.t.sf(abs(t), n - 2)), float(error))
