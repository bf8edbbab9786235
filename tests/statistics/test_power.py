"""Power, smallest difference and correction for selection, against statsmodels and simulation."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from tljax.statistics.over_folds import corrected_t
from tljax.statistics.power import corrected_for_selection, power, smallest_difference


@pytest.mark.parametrize("folds", [2, 5, 10])
@pytest.mark.parametrize("ratio", [0.0, 1.5, 3.0])
@pytest.mark.parametrize("level", [0.95, 0.99])
def test_power_equals_statsmodels(folds, ratio, level):
    expected = TTestPower().power(ratio / np.sqrt(folds), folds, 1 - level)
    assert power(-0.02 * ratio, 0.02, folds, level=level) == pytest.approx(expected, abs=5e-4)


def test_smallest_difference_has_the_requested_power():
    found = smallest_difference(0.02, 5, level=0.99, power=0.7)
    assert power(found.value, 0.02, 5, level=0.99) == pytest.approx(0.7, abs=1e-9)
    assert found.value / found.low == pytest.approx(np.sqrt(stats.chi2.ppf(0.975, 4) / 4))
    assert found.high / found.value == pytest.approx(np.sqrt(4 / stats.chi2.ppf(0.025, 4)))
    for error, folds in ((0.0, 5), (np.nan, 5), (1.0, 1)):
        assert np.isnan(smallest_difference(error, folds).value)


def test_interval_of_the_smallest_difference_covers_the_true_one():
    rng = np.random.default_rng(0)
    true = smallest_difference(np.sqrt((1 / 5 + 0.2) * 0.03**2), 5).value
    studies = rng.normal(0, 0.03, size=(200, 5))
    ends = [smallest_difference(corrected_t(each, 0.2).standard_error, 5) for each in studies]
    assert np.mean([found.low <= true <= found.high for found in ends]) == pytest.approx(0.95, abs=0.04)


@pytest.mark.parametrize(
    ("true", "shown", "corrected"), [(1.575, 1.63, 1.27), (2.5, 1.24, 1.00), (4.0, 1.05, 0.90), (6.0, 1.00, 0.94)]
)
def test_correction_for_selection_removes_most_of_the_bias(true, shown, corrected):
    """Powers of 23, 48, 84 and 99 %: means of the found and of the corrected differences, divided by the truth."""
    rng = np.random.default_rng(0)
    observed = rng.normal(true, 1, size=20_000)
    estimated = np.sqrt(rng.chisquare(4, size=20_000) / 4)
    found = observed / estimated > stats.t.ppf(0.975, 4)
    observed, estimated = observed[found], estimated[found]
    ratios = np.concatenate([np.linspace(2.777, 8, 40), [30, 1e6]])
    factors = [corrected_for_selection(ratio, 1.0, 5) / ratio for ratio in ratios]
    moved = observed * np.interp(observed / estimated, ratios, factors)
    assert observed.mean() / true == pytest.approx(shown, abs=0.03)
    assert moved.mean() / true == pytest.approx(corrected, abs=0.03)
    assert np.mean((moved / true - 1) ** 2) < np.mean((observed / true - 1) ** 2) * 1.7


def test_correction_for_selection_is_the_mean_of_the_conditional_likelihood():
    """Two-sided selection: the noncentral t of SciPy, integrated over true differences."""
    observed, folds = 3.3, 5
    critical = stats.t.ppf(0.975, folds - 1)

    def likelihood(true: float) -> float:
        wrong_side = stats.nct.cdf(-critical, folds - 1, true) if true < 4 else 0.0  # SciPy's is NaN further out
        selected = stats.nct.sf(critical, folds - 1, true) + wrong_side
        return stats.nct.pdf(observed, folds - 1, true) / selected

    true = np.arange(-4, 12, 0.05)
    expected = np.average(true, weights=[likelihood(each) for each in true])
    assert corrected_for_selection(0.033, 0.01, folds) == pytest.approx(0.01 * expected, rel=0.005)


def test_correction_barely_changes_large_differences_and_keeps_the_sign():
    assert corrected_for_selection(-0.3, 0.02, 5) == pytest.approx(-0.3, rel=0.05)
    assert 0 < corrected_for_selection(0.06, 0.02, 5) < 0.042
    assert corrected_for_selection(-1e9, 0.02, 5) == -1e9
    with pytest.raises(ValueError, match="not significant"):
        corrected_for_selection(0.05, 0.02, 5)
