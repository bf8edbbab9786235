"""The tests over folds, against SciPy and a worked example of scikit-learn."""

import numpy as np
import pytest
from scipy import stats

from tljax.statistics.over_folds import corrected_t, probability_best


def test_corrected_t_without_correction_equals_scipy():
    values = np.array([0.02, 0.05, -0.01, 0.03, 0.04])
    reference = stats.ttest_1samp(values, 0)
    test = corrected_t(values, test_to_train=0.0)
    assert test.p == pytest.approx(reference.pvalue, abs=1e-12)
    assert (test.low, test.high) == pytest.approx(tuple(reference.confidence_interval()), abs=1e-12)


def test_corrected_t_equals_scipy_on_a_rescaled_spread():
    """The correction only widens the spread about the mean by sqrt(1 + folds * ratio)."""
    values = np.array([0.02, 0.05, -0.01, 0.03, 0.04])
    widened = values.mean() + (values - values.mean()) * np.sqrt(1 + 5 * 0.2)
    assert corrected_t(values, 0.2).p == pytest.approx(stats.ttest_1samp(widened, 0).pvalue, abs=1e-8)


def test_corrected_t_equals_the_worked_example_of_scikit_learn():
    """From "Statistical comparison of models using grid search": rbf and linear, t = 0.750, one-sided p = 0.227."""
    from sklearn.datasets import make_moons
    from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
    from sklearn.svm import SVC

    x, y = make_moons(noise=0.352, random_state=1, n_samples=100)
    folds = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    rbf, linear = (
        cross_val_score(SVC(kernel=kernel, random_state=0), x, y, cv=folds, scoring="roc_auc")
        for kernel in ("rbf", "linear")
    )
    test = corrected_t(rbf - linear, test_to_train=10 / 90)
    assert test.value / test.standard_error == pytest.approx(0.750, abs=5e-4)
    assert test.p / 2 == pytest.approx(0.227, abs=5e-4)


def test_corrected_t_of_one_fold_or_equal_folds_has_no_interval():
    assert np.isnan(corrected_t(np.array([0.1]), 0.2).low)
    for same in (0.0, 0.25, 0.1 + 0.2):
        test = corrected_t(np.full(5, same), 0.2)  # five equal folds do not show how certain the value is
        assert test.value == pytest.approx(same) and np.isnan([test.low, test.high, test.p]).all()


def test_probability_best_of_two_columns_agrees_with_corrected_t():
    rng = np.random.default_rng(0)
    values = 0.8 + 0.05 * rng.normal(size=(5, 2)) + np.array([0.03, 0.0])
    test = corrected_t(values[:, 0] - values[:, 1], 0.2)
    expected = stats.t.cdf(test.value / test.standard_error, df=4)
    best = probability_best(values, 0.2)
    assert best.sum() == pytest.approx(1.0)
    assert best[0] == pytest.approx(expected, abs=0.012)


def test_probability_best_of_one_column_equal_columns_and_unknown_spread():
    assert probability_best(np.array([[0.9], [0.8]]), 0.2) == pytest.approx([1.0])
    assert probability_best(np.full((5, 2), 0.7), 0.2) == pytest.approx([0.5, 0.5])
    assert np.isnan(probability_best(np.array([[0.9, 0.8]]), 0.2)).all()
    assert np.isnan(probability_best(np.array([[0.9, 0.4]] * 5), 0.2)).all()
