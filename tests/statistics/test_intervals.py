"""Intervals and tests against independent implementations, published worked examples and simulation."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics
from statsmodels.stats.multitest import multipletests

from tljax.statistics import intervals, metrics
from tljax.statistics.intervals import Comparison, FoldPredictions

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "statistics_proc.json").read_text())


def two_columns(scores):
    scores = np.asarray(scores, dtype=float)
    return np.stack([1 - scores, scores], axis=1)


def predictions(images, classes=2, signal=1.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=images)
    scores = rng.normal(size=(images, classes)) + signal * np.eye(classes)[labels]
    return labels, np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


# ------------------------------------------------------------------------------------------------ DeLong's test


@pytest.mark.parametrize("case", ["plain", "tied"])
def test_delong_equals_proc(case):
    golden = {key: np.array(value) for key, value in GOLDEN[case].items()}
    first, second = two_columns(golden["first"]), two_columns(golden["second"])
    test = intervals.delong([FoldPredictions(golden["labels"], (first, second))])
    assert test.value == pytest.approx(golden["aucs"][0] - golden["aucs"][1], abs=1e-12)
    assert test.value / test.standard_error == pytest.approx(golden["z"][0], abs=1e-8)
    assert test.p == pytest.approx(golden["p"][0], abs=1e-8)


def test_delong_equals_the_definition_by_pairs():
    """The covariance written out over all pairs of a positive and a negative, as in the paper of 1988."""
    labels, first = predictions(70, seed=1)
    _, second = predictions(70, seed=2)
    positive, negative = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)

    def kernel(probabilities):
        difference = probabilities[positive, 1][:, None] - probabilities[negative, 1][None]
        return (difference > 0) + 0.5 * (difference == 0)

    kernels = [kernel(first), kernel(second)]
    covariance = sum(np.cov([k.mean(axis=axis) for k in kernels]) / kernels[0].shape[1 - axis] for axis in (0, 1))
    contrast = np.array([1, -1])
    test = intervals.delong([FoldPredictions(labels, (first, second))])
    assert test.standard_error**2 == pytest.approx(contrast @ covariance @ contrast, rel=1e-10)
    assert test.low == pytest.approx(test.value - 1.959963984540054 * test.standard_error)


def test_delong_of_copied_images_by_patient_is_that_of_the_originals():
    labels, first = predictions(80, seed=3)
    _, second = predictions(80, seed=4)
    patients = [f"patient {i}" for i in range(80)]
    once = intervals.delong([FoldPredictions(labels, (first, second), patients)])
    thrice = [np.repeat(values, 3, axis=0) for values in (labels, first, second)]
    copied = intervals.delong([FoldPredictions(thrice[0], thrice[1:], np.repeat(patients, 3).tolist())])
    assert copied.value == pytest.approx(once.value)
    assert copied.standard_error == pytest.approx(once.standard_error)
    assert intervals.delong([FoldPredictions(thrice[0], thrice[1:])]).standard_error < 0.7 * once.standard_error


def test_delong_averages_over_folds_and_leaves_out_undefined_ones():
    folds = []
    for seed in range(3):
        labels, first = predictions(60, seed=seed)
        folds.append(FoldPredictions(labels, (first, predictions(60, seed=10 + seed)[1])))
    one_class = FoldPredictions(np.zeros(9, int), (first[:9], first[:9]))
    each = [intervals.delong([fold]) for fold in folds]
    test = intervals.delong([*folds, one_class])
    assert test.value == pytest.approx(np.mean([t.value for t in each]))
    assert test.standard_error == pytest.approx(np.sqrt(np.sum([t.standard_error**2 for t in each])) / 3)
    assert np.isnan(intervals.delong([one_class]).p)


def test_delong_of_many_classes_is_calibrated():
    """Two networks of equal skill: p-values of the one-vs-rest difference are spread evenly."""
    rejected = 0
    for seed in range(400):
        labels, first = predictions(120, classes=3, seed=seed)
        noise = np.random.default_rng(10_000 + seed).normal(size=(120, 3)) + np.eye(3)[labels]
        second = np.exp(noise) / np.exp(noise).sum(axis=1, keepdims=True)
        rejected += intervals.delong([FoldPredictions(labels, (first, second))]).p < 0.05
    assert 0.02 <= rejected / 400 <= 0.085


def test_networks_that_rank_alike_do_not_differ_and_no_more_is_known():
    labels, probabilities = predictions(50)
    test = intervals.delong([FoldPredictions(labels, (probabilities, probabilities))])
    assert test.value == 0 and np.isnan([test.low, test.high, test.p, test.standard_error]).all()


@pytest.mark.parametrize("patients", [None, [*"abcdefghi", *"zzz"]])
def test_delong_knows_nothing_of_a_class_with_a_single_patient(patients):
    labels = np.array([0] * 9 + [1] * (3 if patients else 1))
    right, wrong = two_columns(labels), two_columns(1 - labels)
    one = FoldPredictions(labels, (right, wrong), patients)
    assert np.isnan(intervals.delong([one]).p) and np.isnan(intervals.delong([one]).low)
    labels, first = predictions(60)
    other = FoldPredictions(labels, (first, predictions(60, seed=1)[1]))
    assert intervals.delong([one, other]) == intervals.delong([other])


# ------------------------------------------------------------------------------------------- the corrected t-test


def test_corrected_t_is_scipys_without_the_correction():
    values = np.array([0.02, 0.05, -0.01, 0.03, 0.04])
    reference = stats.ttest_1samp(values, 0)
    test = intervals.corrected_t(values, test_to_train=0.0)
    assert test.p == pytest.approx(reference.pvalue, abs=1e-12)
    assert (test.low, test.high) == pytest.approx(tuple(reference.confidence_interval()), abs=1e-12)


def test_corrected_t_equals_scipys_on_a_rescaled_spread():
    """The correction only widens the spread about the mean by sqrt(1 + folds * ratio)."""
    values = np.array([0.02, 0.05, -0.01, 0.03, 0.04])
    widened = values.mean() + (values - values.mean()) * np.sqrt(1 + 5 * 0.2)
    assert intervals.corrected_t(values, 0.2).p == pytest.approx(stats.ttest_1samp(widened, 0).pvalue, abs=1e-8)


def test_corrected_t_equals_scikit_learns_worked_example():
    """Its "Statistical comparison of models using grid search": rbf against linear, t = 0.750, one-sided p = 0.227."""
    from sklearn.datasets import make_moons
    from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
    from sklearn.svm import SVC

    x, y = make_moons(noise=0.352, random_state=1, n_samples=100)
    folds = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    rbf, linear = (
        cross_val_score(SVC(kernel=kernel, random_state=0), x, y, cv=folds, scoring="roc_auc")
        for kernel in ("rbf", "linear")
    )
    test = intervals.corrected_t(rbf - linear, test_to_train=10 / 90)
    assert test.value / test.standard_error == pytest.approx(0.750, abs=5e-4)
    assert test.p / 2 == pytest.approx(0.227, abs=5e-4)


def test_corrected_t_of_one_fold_or_of_equal_folds():
    assert np.isnan(intervals.corrected_t(np.array([0.1]), 0.2).low)
    for same in (0.0, 0.25, 0.1 + 0.2):
        test = intervals.corrected_t(np.full(5, same), 0.2)  # agreement of five folds is no certainty
        assert test.value == pytest.approx(same) and np.isnan([test.low, test.high, test.p]).all()


def test_probability_of_being_best_agrees_with_the_corrected_t():
    rng = np.random.default_rng(0)
    values = 0.8 + 0.05 * rng.normal(size=(5, 2)) + np.array([0.03, 0.0])
    test = intervals.corrected_t(values[:, 0] - values[:, 1], 0.2)
    expected = stats.t.cdf(test.value / test.standard_error, df=4)
    best = intervals.probability_best(values, 0.2)
    assert best.sum() == pytest.approx(1.0)
    assert best[0] == pytest.approx(expected, abs=0.012)


def test_probability_of_being_best_where_it_is_plain_or_unknown():
    assert intervals.probability_best(np.array([[0.9], [0.8]]), 0.2) == pytest.approx([1.0])
    assert intervals.probability_best(np.full((5, 2), 0.7), 0.2) == pytest.approx([0.5, 0.5])
    assert np.isnan(intervals.probability_best(np.array([[0.9, 0.8]]), 0.2)).all()
    assert np.isnan(intervals.probability_best(np.array([[0.9, 0.4]] * 5), 0.2)).all()


def test_patients_needed_gives_the_power_it_promises():
    """With that many patients, and so that much less noise, the t-test finds the difference in 80 % of trials."""
    observed = Comparison(0.02, -0.02, 0.06, 0.3, 0.02)
    factor = intervals.patients_needed(observed, patients=100, folds=1) / 100
    estimates = np.random.default_rng(0).normal(0.02, 0.02 / np.sqrt(factor), size=100_000)
    assert np.mean(estimates > 1.96 * 0.02 / np.sqrt(factor)) == pytest.approx(0.8, abs=0.01)
    assert intervals.patients_needed(Comparison(0.0, -0.1, 0.1, 1.0, 0.05), 100, 5) == np.inf


def test_holm_equals_statsmodels_and_passes_over_the_unknown():
    p_values = (np.random.default_rng(0).random(12) ** 3).tolist()
    assert intervals.holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
    assert intervals.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    adjusted = intervals.holm([0.01, float("nan"), 0.04])
    assert adjusted[0] == pytest.approx(0.02) and np.isnan(adjusted[1]) and adjusted[2] == pytest.approx(0.04)
    assert np.isnan(intervals.holm([float("nan")])).all()


# ------------------------------------------------------------------------------------------------------ one run


@pytest.mark.parametrize("classes", [2, 4])
def test_weighted_auc_of_integer_weights_is_the_auc_of_repeated_images(classes):
    labels, probabilities = predictions(60, classes)
    probabilities = probabilities.round(1)
    weights = np.random.default_rng(1).integers(0, 4, size=(5, 60))
    expected = [metrics.auc(np.repeat(labels, w), np.repeat(probabilities, w, axis=0)) for w in weights]
    assert intervals.weighted_auc(labels, probabilities, weights.astype(float)) == pytest.approx(expected)


def test_bootstrap_interval_is_near_delongs_by_image_and_wider_by_patient():
    labels, probabilities = predictions(400, signal=0.8)
    interval = intervals.auc_interval(labels, probabilities)
    coin = two_columns(np.random.default_rng(5).random(400))
    error = intervals.delong([FoldPredictions(labels, (probabilities, np.full_like(coin, 0.5)))]).standard_error
    assert interval.low < interval.value < interval.high
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * error, rel=0.1)
    copies = intervals.auc_interval(
        np.repeat(labels, 4), np.repeat(probabilities, 4, axis=0), np.repeat([f"{i}" for i in range(400)], 4).tolist()
    )
    assert (copies.low, copies.high) == pytest.approx((interval.low, interval.high), abs=0.01)


def test_a_perfect_run_is_not_certain():
    labels = np.array([0] * 10 + [1] * 20)
    interval = intervals.auc_interval(labels, two_columns(labels))
    assert interval.high == 1.0 and interval.low == pytest.approx(0.025 ** (1 / 10))
    worst = intervals.auc_interval(labels, two_columns(1 - labels))
    assert worst.low == 0.0 and worst.high == pytest.approx(1 - 0.025 ** (1 / 10))


def test_interval_of_one_class_is_undefined():
    assert np.isnan(intervals.auc_interval(np.zeros(5, int), predictions(5)[1]).low)


def test_secondary_scores_equal_scikit_learns():
    labels, probabilities = predictions(200)
    predicted = probabilities.argmax(axis=1)
    scores = intervals.secondary_scores(labels, probabilities)
    assert scores["balanced_accuracy"] == pytest.approx(sklearn_metrics.balanced_accuracy_score(labels, predicted))
    assert scores["f1"] == pytest.approx(sklearn_metrics.f1_score(labels, predicted))
    assert scores["brier"] == pytest.approx(sklearn_metrics.brier_score_loss(labels, probabilities[:, 1]))
    false, true, _ = sklearn_metrics.roc_curve(labels, probabilities[:, 1], drop_intermediate=False)
    assert scores["sensitivity"] == pytest.approx(true[false <= 0.05].max())


def test_secondary_scores_with_a_class_absent():
    labels, probabilities = predictions(200, classes=4)
    kept = labels != 3
    scores = intervals.secondary_scores(labels[kept], probabilities[kept])
    assert all(0 <= value <= 2 for value in scores.values())
    predicted = probabilities[kept].argmax(axis=1)
    f1 = sklearn_metrics.f1_score(labels[kept], predicted, labels=[0, 1, 2], average="macro")
    assert scores["f1"] == pytest.approx(f1)
    recalls = [np.mean(probabilities[labels == c].argmax(axis=1) == c) for c in range(3)]
    assert scores["balanced_accuracy"] == pytest.approx(np.mean(recalls))
    assert np.isnan(intervals.secondary_scores(np.zeros(5, int), probabilities[:5])["sensitivity"])


def test_calibration_error_counted_by_hand():
    probabilities = two_columns([0.95, 0.95, 0.05, 0.35])  # confidence .95 .95 .95 .65
    labels = np.array([1, 0, 0, 0])
    assert intervals.calibration_error(labels, probabilities) == pytest.approx(
        0.75 * abs(2 / 3 - 0.95) + 0.25 * abs(1 - 0.65)
    )


def test_correlation_equals_scipys_by_point_and_is_wider_by_task():
    rng = np.random.default_rng(0)
    x = rng.normal(size=30)
    y = x + rng.normal(size=30)
    by_point = intervals.correlation(x, y)
    reference = stats.pearsonr(x, y).confidence_interval()
    assert (by_point.low, by_point.high) == pytest.approx((reference.low, reference.high))
    assert intervals.correlation(x[:12], y[:12]).p == pytest.approx(stats.pearsonr(x[:12], y[:12]).pvalue, rel=1e-9)
    assert intervals.correlation(x, x).p < 1e-12
    by_task = intervals.correlation(x, y, tasks=[f"task {i % 6}" for i in range(30)])
    assert by_task.value == by_point.value and by_task.low < by_point.low and by_task.high > by_point.high
    assert np.isnan(intervals.correlation(x, y, tasks=["a", "b", "c"] * 10).low)
    assert np.isnan(intervals.correlation(x, np.ones(30)).value)
    assert np.isnan(intervals.correlation(x[:2], y[:2]).value)  # two points always lie on a line
