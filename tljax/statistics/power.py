"""The power of the corrected resampled t-test, and what follows from it for a difference that is, or is not, shown.

All functions take the standard error that `over_folds.corrected_t` estimates from the folds, with folds - 1 degrees of
freedom.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy import optimize, stats

from tljax.statistics.estimates import LEVEL, Estimate

POWER = 0.8
STEP = 0.1  # of the integral over true differences, in standard errors


def power(true_difference: float, standard_error: float, folds: int, *, level: float = LEVEL) -> float:
    """Returns the probability, in 0..1, that the two-sided test finds a true difference.

    It follows from the noncentral t distribution, computed here as an average over quantiles of the estimated standard
    error, because SciPy's noncentral t is NaN far from zero.

    Args:
        true_difference: the true difference of the mean scores.
        standard_error: the true standard error of the mean difference.
        folds: their number, at least 2.
        level: 1 minus the p-value below which a difference counts as found.
    """
    return _power(abs(true_difference) / standard_error, folds, level)


def smallest_difference(standard_error: float, folds: int, *, level: float = LEVEL, power: float = POWER) -> Estimate:
    """Returns the smallest true difference that the test finds with the given power.

    The 95 % interval covers the uncertainty of the standard error, which comes from few folds. NaN if there are
    fewer than two folds or no standard error.
    """
    if folds < 2 or not standard_error > 0:
        return Estimate(*[float("nan")] * 3)
    high_enough = 1.0
    while _power(high_enough, folds, level) < power:
        high_enough *= 2
    ratio = optimize.root_scalar(lambda at: _power(at, folds, level) - power, bracket=(0.0, high_enough)).root
    df = folds - 1
    narrow, wide = (np.sqrt(df / stats.chi2.ppf(tail, df)) for tail in ((1 + LEVEL) / 2, (1 - LEVEL) / 2))
    return Estimate(*(float(ratio * standard_error * factor) for factor in (1.0, narrow, wide)))


def corrected_for_selection(difference: float, standard_error: float, folds: int, *, level: float = LEVEL) -> float:
    """Returns the expected true difference, given that the test found the observed one; between 0 and the observed.

    Differences that are reported because a test found them are too large on average, the more so the lower the power
    (the winner's curse). This is the mean of the normalised likelihood conditional on significance (the second
    estimator of Zhong & Prentice 2008, doi 10.1093/biostatistics/kxn001). At a power below 30 % it is still too large
    on average, and above 60 % a little too small: `benchmarks/intervals.py gaps` measures by how much.

    Raises:
        ValueError: the difference is not significant.
    """
    if folds < 2 or not standard_error > 0:
        return float("nan")
    observed = abs(difference) / standard_error
    critical = float(stats.t.ppf((1 + level) / 2, folds - 1))
    if observed <= critical:
        raise ValueError(f"a t statistic of {observed:.3g} is not significant: it must exceed {critical:.3g}")
    if observed > 10 * critical:  # nothing is left to correct
        return difference
    spread = _spread(folds)
    true = np.arange(-6, observed * spread[-1] + 6, STEP)  # differences outside are impossible
    density = np.mean(spread * stats.norm.pdf(observed * spread - true[:, None]), axis=1)
    reach = critical * spread
    found = np.mean(stats.norm.sf(reach - true[:, None]) + stats.norm.cdf(-reach - true[:, None]), axis=1)
    expected = float(np.average(true, weights=density / found))
    return float(np.sign(difference) * min(max(expected, 0.0), observed) * standard_error)


def _power(ratio: float, folds: int, level: float) -> float:
    reach = stats.t.ppf((1 + level) / 2, folds - 1) * _spread(folds)
    return float(np.mean(stats.norm.sf(reach - ratio) + stats.norm.cdf(-reach - ratio)))


@lru_cache(maxsize=64)
def _spread(folds: int) -> Float[np.ndarray, " q"]:
    """Equally likely values of the estimated standard error over the true one."""
    tails = (np.arange(500) + 0.5) / 500
    return np.sqrt(stats.chi2.ppf(tails, folds - 1) / (folds - 1))
