"""The correlation of points that come from several tasks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import stats

from tljax.statistics.estimates import LEVEL, Comparison


def correlation(
    x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], tasks: Sequence[str] | None = None, *, level: float = LEVEL
) -> Comparison:
    """Returns Pearson's r in -1..1 with Fisher's interval and the p-value of Student's t.

    Args:
        x, y: the points.
        tasks: the task of each point. Points of one task are not independent, so the interval and the p-value count
            each task once.

    Returns:
        r is NaN if x or y is constant, or for fewer than three points, because two always lie on a line. The interval
        and p are also NaN for fewer than four points, or four tasks if `tasks` are given.
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
    t = within * np.sqrt((n - 2) / (1 - within**2))  # SciPy's p-value, but with n tasks instead of n points
    return Comparison(r, float(low), float(high), float(2 * stats.t.sf(abs(t), n - 2)), float(error))
