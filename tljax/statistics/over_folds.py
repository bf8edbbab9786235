"""Tests over the folds of a cross-validation, whose training images overlap."""

import numpy as np
from jaxtyping import Float
from scipy import stats

from tljax.statistics.estimates import LEVEL, ROUNDING, Comparison


def corrected_t(values: Float[np.ndarray, " f"], test_to_train: float, *, level: float = LEVEL) -> Comparison:
    """Tests whether the mean over folds is 0, by the corrected resampled t-test.

    Folds share training images, so the variance of their mean is (1/f + test/train) s^2, not s^2/f (Nadeau & Bengio
    2003, doi 10.1023/A:1024068626366).

    Args:
        values: of scores in 0..1, or their differences, fold by fold.
        test_to_train: the number of test images divided by the number of training images.

    Returns:
        The interval and p are NaN if there is one fold, or if all folds are equal, because the spread is then unknown.
    """
    folds = len(values)
    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1) * np.sqrt(1 / folds + test_to_train)) if folds > 1 else 0.0
    if error < ROUNDING:
        return Comparison(mean, *[float("nan")] * 4)
    reach = float(stats.t.ppf((1 + level) / 2, folds - 1)) * error
    return Comparison(mean, mean - reach, mean + reach, float(2 * stats.t.sf(abs(mean) / error, folds - 1)), error)


def probability_best(values: Float[np.ndarray, "f m"], test_to_train: float, seed: int = 0) -> Float[np.ndarray, " m"]:
    """Returns the probability, in 0..1, that each of `m` columns has the highest mean: the Bayesian correlated t-test.

    The means have a multivariate t distribution with f - 1 degrees of freedom around the observed means. For two
    columns this is the test of Corani & Benavoli (2015, doi 10.1007/s10994-015-5486-z), which agrees with
    `corrected_t`. Equal columns share the probability.

    Args:
        values: scores in 0..1, one row per fold.
        test_to_train: the number of test images divided by the number of training images.
        seed: of the 20,000 draws.

    Returns:
        NaN if there is one fold, or if two columns differ by the same amount in every fold: the spread is then unknown.
    """
    folds, columns = values.shape
    if columns == 1:
        return np.ones(1)
    gaps = values[:, :, None] - values[:, None]
    constant = (np.ptp(gaps, axis=0) < ROUNDING) & (np.abs(gaps.mean(axis=0)) > ROUNDING)
    if folds < 2 or constant.any():
        return np.full(columns, np.nan)
    rng = np.random.default_rng(seed)
    scatter = np.cov(values.T) * (1 / folds + test_to_train)
    normal = rng.multivariate_normal(np.zeros(columns), scatter, size=20_000, method="eigh")
    draws = values.mean(axis=0) + normal / np.sqrt(rng.chisquare(folds - 1, size=(len(normal), 1)) / (folds - 1))
    best = draws >= draws.max(axis=1, keepdims=True) - ROUNDING
    return (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
