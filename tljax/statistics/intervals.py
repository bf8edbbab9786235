"""How sure a figure is: intervals, paired tests and secondary scores of cross-validated predictions.

The unit of resampling is the patient where patients are known, else the image. Labels are class numbers `n` in 0..k-1,
probabilities `n k` (see `tljax.statistics.metrics`). All levels are two-sided.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer
from scipy import stats

from tljax.statistics import metrics
from tljax.statistics.metrics import Labels, Probabilities

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
    probabilities: Sequence[Probabilities]
    patients: Sequence[str] | None = None


def auc_interval(
    labels: Labels,
    probabilities: Probabilities,
    patients: Sequence[str] | None = None,
    *,
    repeats: int = 500,
    level: float = LEVEL,
    seed: int = 0,
) -> Estimate:
    """AUC with a bootstrap interval over patients, or over images where patients are unknown.

    The interval is symmetric on the logit scale, with the standard error of the bootstrap: near 1 it covers better than
    percentiles do. A perfect separation of m patients, of which the bootstrap knows nothing, is bounded as m successes
    in m trials are. NaN where fewer than two classes are present.
    """
    value = metrics.auc(labels, probabilities)
    unit = _units(labels, patients)
    if np.isnan(value):
        return Estimate(value, value, value)
    if value in (0, 1):
        fewest = min(len(np.unique(unit[labels == c])) for c in np.unique(labels))
        bound = ((1 - level) / 2) ** (1 / fewest)
        return Estimate(value, bound, 1.0) if value == 1 else Estimate(value, 0.0, 1 - bound)
    units = unit.max() + 1
    draws = np.random.default_rng(seed).multinomial(units, np.full(units, 1 / units), size=repeats)
    resampled = weighted_auc(labels, probabilities, draws[:, unit].astype(np.float32))
    spread = np.nanstd(resampled) / (value * (1 - value))
    ends = stats.logistic.ppf(value) + np.array([-1, 1]) * stats.norm.ppf((1 + level) / 2) * spread
    return Estimate(value, *map(float, stats.logistic.cdf(ends)))


def weighted_auc(
    labels: Labels, probabilities: Probabilities, weights: Float[np.ndarray, "b n"]
) -> Float[np.ndarray, " b"]:
    """AUC (as `metrics.auc`) once for each row of image weights; NaN where a row leaves a class empty."""
    classes = [1] if probabilities.shape[1] == 2 else np.unique(labels)
    total, mass = 0.0, 0.0
    for c in classes:
        order = np.argsort(probabilities[:, c], kind="stable")
        starts = np.flatnonzero(np.diff(probabilities[order, c], prepend=-1.0))
        positive = labels[order] == c
        wins = np.add.reduceat(weights[:, order] * positive, starts, axis=1)
        losses = np.add.reduceat(weights[:, order] * ~positive, starts, axis=1)
        positives, negatives = wins.sum(axis=1), losses.sum(axis=1)
        below = losses.cumsum(axis=1) - losses / 2
        with np.errstate(invalid="ignore"):
            area = (wins * below).sum(axis=1) / (positives * negatives)
        total, mass = total + area * positives, mass + positives
    return (total / mass).astype(float)


def _units(labels: Labels, patients: Sequence[str] | None) -> Integer[np.ndarray, " n"]:
    """The number of each image's unit of resampling, 0..u-1."""
    return np.arange(len(labels)) if patients is None else np.unique(np.asarray(patients), return_inverse=True)[1]


def secondary_scores(labels: Labels, probabilities: Probabilities, specificity: float = 0.95) -> dict[str, float]:
    """Scores beside the AUC, each in 0..1; with three classes or more, one class against the rest, averaged.

    `accuracy`; `balanced_accuracy` (mean recall of the classes present); `f1` (of the second class, or the mean over
    classes); `sensitivity` at the given specificity (of the second class, or weighted by prevalence); `brier` (mean
    squared error of the second class's probability, or summed over classes); `calibration_error` (expected, of the most
    probable class, ten bins of equal width).
    """
    k = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    confusion = np.bincount(labels * k + predicted, minlength=k * k).reshape(k, k)
    right, of_class, called = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    present = np.flatnonzero(of_class)
    judged = [1] if k == 2 else present
    squared = (probabilities - np.eye(k)[labels]) ** 2
    return {
        "accuracy": metrics.accuracy(labels, probabilities),
        "balanced_accuracy": float(np.mean(right[present] / of_class[present])),
        "f1": float(np.mean(2 * right[judged] / np.maximum(of_class[judged] + called[judged], 1))),
        "sensitivity": float(
            np.average(
                [sensitivity(labels == c, probabilities[:, c], specificity) for c in judged],
                weights=np.maximum(of_class[judged], 1),
            )
        ),
        "brier": float(squared.mean() if k == 2 else squared.sum(axis=1).mean()),
        "calibration_error": calibration_error(labels, probabilities),
    }


def sensitivity(positive: Bool[np.ndarray, " n"], scores: Float[np.ndarray, " n"], specificity: float) -> float:
    """Share of positives above the lowest threshold with this share of negatives at or below it; NaN without both."""
    negatives = np.sort(scores[~positive])
    if not 0 < len(negatives) < len(scores):
        return float("nan")
    threshold = negatives[int(np.ceil(specificity * len(negatives) - 1e-9)) - 1]
    return float(np.mean(scores[positive] > threshold))


def calibration_error(labels: Labels, probabilities: Probabilities, bins: int = 10) -> float:
    """Expected calibration error (Guo et al. 2017): the mean gap between confidence and accuracy, bin by bin."""
    confidence = probabilities.max(axis=1)
    gap = (probabilities.argmax(axis=1) == labels) - confidence
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    return float(np.abs(np.bincount(bin_of, weights=gap, minlength=bins)).sum() / len(labels))


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
    reach = stats.t.ppf((1 + level) / 2, folds - 1) * error
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


def delong(folds: Sequence[FoldPredictions], *, level: float = LEVEL) -> Comparison:
    """DeLong's test between two networks, on all test predictions of their folds together.

    Images are ranked within their fold, since each fold has its own network and scores of two networks are on two
    scales; the difference is that of the mean AUCs. Images of a patient count together (Obuchowski 1997). With one fold
    and no patients it is DeLong, DeLong & Clarke-Pearson (1988), by the midranks of Sun & Xu (2014). More than two
    classes: one against the rest, weighted by prevalence. Folds where an AUC is undefined are left out, and those where
    a class has a single patient, of whose spread nothing is known; NaN where none is left. Where the two networks rank
    all images alike, the interval and p are NaN.
    """
    parts = [[_influence(f.labels, p, f.patients) for p in f.probabilities] for f in folds]
    parts = [(a - b, u - v) for (a, u), (b, v) in parts if np.isfinite(u - v).all()]
    if not parts:
        return Comparison(*[float("nan")] * 5)
    difference = float(np.mean([part for part, _ in parts]))
    error = float(np.sqrt(sum((u**2).sum() for _, u in parts)) / len(parts))
    if error < _ROUNDING:
        return Comparison(difference, *[float("nan")] * 4)
    reach = stats.norm.ppf((1 + level) / 2) * error
    p = float(2 * stats.norm.sf(abs(difference) / error))
    return Comparison(difference, difference - reach, difference + reach, p, error)


def _influence(
    labels: Labels, probabilities: Probabilities, patients: Sequence[str] | None
) -> tuple[float, Float[np.ndarray, " u"]]:
    """The AUC, and what each patient adds to its error: the squares sum to DeLong's variance; NaN where unknown."""
    unit = _units(labels, patients)
    classes, images = ([1], [1]) if probabilities.shape[1] == 2 else np.unique(labels, return_counts=True)
    area, added = 0.0, np.zeros(unit.max() + 1)
    for c, share in zip(classes, np.array(images) / np.sum(images), strict=True):
        positive, scores = labels == c, probabilities[:, c]
        if min(len(np.unique(unit[side])) for side in (positive, ~positive)) < 2:
            return float("nan"), np.full_like(added, np.nan)
        value = metrics.auroc(positive, scores)
        area += share * value
        midranks = stats.rankdata(scores)
        for side in (positive, ~positive):
            outranked = (midranks[side] - stats.rankdata(scores[side])) / (~side).sum()
            centred = outranked - outranked.mean()
            units = len(np.unique(unit[side]))
            scale = np.sqrt(units / (units - 1)) / side.sum()
            sign = 1 if side is positive else -1
            added += share * sign * scale * np.bincount(unit[side], weights=centred, minlength=len(added))
    return float(area), added


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjustment of a family of p-values; NaN stays NaN and does not count."""
    adjusted = np.array(p_values, dtype=float)
    order = np.argsort(adjusted)[: np.isfinite(adjusted).sum()]  # NaN sorts last
    stepped = adjusted[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return adjusted.tolist()


def patients_needed(
    comparison: Comparison, patients: int, folds: int, *, level: float = LEVEL, power: float = 0.8
) -> float:
    """How many patients would show a true difference of the size observed, with the given power; inf for none at all.

    The standard error shrinks with the square root of the number of patients; the number of folds stays.
    """
    if comparison.value == 0:
        return float("inf")
    threshold = stats.t.ppf((1 + level) / 2, folds - 1) if folds > 1 else stats.norm.ppf((1 + level) / 2)
    factor = (threshold + stats.norm.ppf(power)) * comparison.standard_error / abs(comparison.value)
    return patients * float(factor) ** 2


def correlation(
    x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], tasks: Sequence[str] | None = None, *, level: float = LEVEL
) -> Comparison:
    """Pearson's r with Fisher's interval. Points of one task are not independent: with `tasks`, each counts as one.

    The interval and the p-value (Student's t) then have as many degrees of freedom as there are tasks; NaN below four.
    r itself is NaN below three points, as two always lie on a line.
    """
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Comparison(*[float("nan")] * 5)
    r = float(stats.pearsonr(x, y).statistic)
    n = len(x) if tasks is None else len(set(tasks))
    if n < 4:
        return Comparison(r, *[float("nan")] * 4)
    error = 1 / np.sqrt(n - 3)
    within = np.clip(r, -1 + 1e-15, 1 - 1e-15)
    low, high = np.tanh(np.arctanh(within) + np.array([-1, 1]) * stats.norm.ppf((1 + level) / 2) * error)
    t = within * np.sqrt((n - 2) / (1 - within**2))  # SciPy's p-value, but of n that may be fewer than the points
    return Comparison(r, float(low), float(high), float(2 * stats.t.sf(abs(t), n - 2)), float(error))
