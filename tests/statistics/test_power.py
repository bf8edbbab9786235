"""Power, smallest difference and correction for selection, against statsmodels and simulation."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from tljax.statistics import intervals
from tljax.statistics.power import corrected_for_selection, power, smallest_difference


@pytest.mark.parametrize("folds", [2, 5, 10])
@pytest.mark.parametrize("ratio", [0.0, 1.5, 3.0])
@pytest.mark.parametrize("level", [0.95, 0.99])
def test_power_is_that_of_statsmodels(folds, ratio, level):
    expected = TTestPower().power(ratio / np.sqrt(folds), folds, 1 - level)
    assert power(-0.02 * ratio, 0.02, folds, level=level) == pytest.approx(expected, abs=5e-4)


def test_the_smallest_difference_has_the_power_asked_for():
    found = smallest_difference(0.02, 5, level=0.99, power=0.7)
    assert power(found.value, 0.02, 5, level=0.99) == pytest.approx(0.7, abs=1e-9)
    assert found.value / found.low == pytest.approx(np.sqrt(stats.chi2.ppf(0.975, 4) / 4))
    assert found.high / found.value == pytest.approx(np.sqrt(4 / stats.chi2.ppf(0.025, 4)))
    for error, folds in ((0.0, 5), (np.nan, 5), (1.0, 1)):
        assert np.isnan(smallest_difference(error, folds).value)


def test_its_interval_covers_the_true_one():
    rng = np.random.default_rng(0)
    true = smallest_difference(np.sqrt((1 / 5 + 0.2) * 0.03**2), 5).value
    studies = rng.normal(0, 0.03, size=(200, 5))
    ends = [smallest_difference(intervals.corrected_t(each, 0.2).standard_error, 5) for each in studies]
    assert np.mean([found.low <= true <= found.high for found in ends]) == pytest.approx(0.95, abs=0.04)


def test_correction_for_selection_takes_the_bias_away_where_power_is_low():
    """At 1.575 standard errors the power is 23 %, and differences that are found average 1.63 times the truth."""
    rng = np.random.default_rng(0)
    error = 0.035
    observed = error * rng.normal(1.575, 1, size=2000)
    estimated = error * np.sqrt(rng.chisquare(4, size=2000) / 4)
    found = observed / estimated > stats.t.ppf(0.975, 4)
    ratios = np.linspace(2.78, 30, 60)
    factors = [corrected_for_selection(ratio, 1.0, 5) / ratio for ratio in ratios]
    corrected = observed[found] * np.interp(observed[found] / estimated[found], ratios, factors)
    assert observed[found].mean() / (1.575 * error) == pytest.approx(1.63, abs=0.08)
    assert np.mean(corrected) / (1.575 * error) == pytest.approx(0.96, abs=0.1)


def test_correction_hardly_changes_what_is_far_beyond_the_threshold_and_keeps_the_sign():
    assert corrected_for_selection(-0.3, 0.02, 5) == pytest.approx(-0.3, rel=0.05)
    assert 0 < corrected_for_selection(0.06, 0.02, 5) < 0.03
    with pytest.raises(ValueError, match="not significant"):
        corrected_for_selection(0.05, 0.02, 5)
