"""The correlation over tasks, against SciPy."""

import numpy as np
import pytest
from scipy import stats

from tljax.statistics.correlation import correlation


def test_correlation_equals_scipy_by_point_and_is_wider_by_task():
    rng = np.random.default_rng(0)
    x = rng.normal(size=30)
    y = x + rng.normal(size=30)
    by_point = correlation(x, y)
    reference = stats.pearsonr(x, y).confidence_interval()
    assert (by_point.low, by_point.high) == pytest.approx((reference.low, reference.high))
    assert correlation(x[:12], y[:12]).p == pytest.approx(stats.pearsonr(x[:12], y[:12]).pvalue, rel=1e-9)
    assert correlation(x, x).p < 1e-12
    by_task = correlation(x, y, tasks=[f"task {i % 6}" for i in range(30)])
    assert by_task.value == by_point.value and by_task.low < by_point.low and by_task.high > by_point.high
    assert np.isnan(correlation(x, y, tasks=["a", "b", "c"] * 10).low)
    assert np.isnan(correlation(x, np.ones(30)).value)
    assert np.isnan(correlation(x[:2], y[:2]).value)  # two points always lie on a line
