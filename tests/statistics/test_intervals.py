"""Intervals and tests against independent implementations, published worked examples and simulation."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

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


def test_delong_of_several_seeds_compares_their_means():
    """Fold means favour the first network; the lowest seed alone speaks against it."""
    labels, weak = predictions(200, signal=0.9, seed=1)
    strong, second = predictions(200, signal=3.0, seed=1)[1], predictions(200, signal=1.2, seed=1)[1]
    first = np.stack([weak, strong, strong])
    test = intervals.delong([FoldPredictions(labels, (first, second[None]))])
    lowest = intervals.delong([FoldPredictions(labels, (weak, second))])
    each = [metrics.auc(labels, seed) - metrics.auc(labels, second) for seed in first]
    assert lowest.value < 0 < test.value
    assert test.value == pytest.approx(np.mean(each))
    t = Comparison(0.05, 0.01, 0.09, 0.01, 0.02)
    assert intervals.both_show(t, test) and not intervals.both_show(t, lowest)
    repeated = intervals.delong([FoldPredictions(labels, (np.stack([strong] * 3), second))])
    assert repeated == intervals.delong([FoldPredictions(labels, (strong, second))])


def test_two_tests_agree_only_in_one_direction():
    found = Comparison(0.05, 0.01, 0.09, 0.01, 0.02)
    against, unknown = replace(found, value=-0.05), replace(found, p=float("nan"))
    assert intervals.both_show(found, found)
    assert not intervals.both_show(found, against)
    assert not intervals.both_show(found, unknown) and not intervals.both_show(unknown, found)


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


# ------------------------------------------------------------------------------------------------------ one run


def test_the_interval_of_many_images_is_delongs():
    labels, probabilities = predictions(4000, signal=0.8)
    interval = intervals.auc_interval(labels, probabilities)
    coin = np.full_like(probabilities, 0.5)
    test = intervals.delong([FoldPredictions(labels, (probabilities, coin))])
    assert interval.high - interval.low == pytest.approx(test.high - test.low, rel=0.03)


def test_the_interval_is_newcombes_method_5():
    """Its definition, on images so many that the quantile is normal: the ends lie one reach from the observed AUC."""
    labels = np.repeat([1, 0], [4000, 6000])
    scores = stats.norm.cdf(np.random.default_rng(0).normal(size=10_000) + 1.2 * labels)
    interval = intervals.auc_interval(labels, two_columns(scores))
    for end in (interval.low, interval.high):
        mean = (4000 + 6000) / 2 - 1
        variance = end * (1 - end) * (1 + mean * (1 - end) / (2 - end) + mean * end / (1 + end)) / (4000 * 6000)
        assert abs(end - interval.value) == pytest.approx(1.96 * np.sqrt(variance), rel=0.02)


def test_copies_of_an_image_by_patient_add_no_certainty():
    labels, probabilities = predictions(60)
    once = intervals.auc_interval(labels, probabilities)
    patients = np.repeat([f"{i}" for i in range(60)], 4).tolist()
    copies = intervals.auc_interval(np.repeat(labels, 4), np.repeat(probabilities, 4, axis=0), patients)
    assert (copies.low, copies.high) == pytest.approx((once.low, once.high), abs=0.01)


def test_many_classes_are_the_weighted_ones_against_the_rest():
    """Two of three classes that nothing separates, the third apart: nearly the interval of its weight alone."""
    labels, probabilities = predictions(900, classes=3, signal=1.5)
    interval = intervals.auc_interval(labels, probabilities)
    each = [intervals.auc_interval((labels == c).astype(int), two_columns(probabilities[:, c])) for c in range(3)]
    independent = np.sqrt(sum((e.high - e.low) ** 2 * np.mean(labels == c) ** 2 for c, e in enumerate(each)))
    assert independent * 0.9 < interval.high - interval.low < max(e.high - e.low for e in each)


def test_a_perfect_run_is_not_certain():
    labels = np.array([0] * 10 + [1] * 20)
    interval = intervals.auc_interval(labels, two_columns(labels))
    assert interval.high == 1.0 and 0.6 < interval.low < 0.9
    worst = intervals.auc_interval(labels, two_columns(1 - labels))
    assert worst.low == 0.0 and worst.high == pytest.approx(1 - interval.low)
    fewer = intervals.auc_interval(labels, two_columns(labels), ["a"] * 10 + ["b"] * 10 + ["c"] * 10)
    assert fewer.high - fewer.low > 0.9  # one patient of the first class says nothing of others


@pytest.mark.parametrize(
    ("patients", "images", "positives", "auc"),
    [(125, 1, 6, 0.9), (400, 1, 20, 0.95), (10, 30, 4, 0.8), (125, 1, 50, 0.9)],
)
def test_the_interval_of_little_information_covers(patients, images, positives, auc):
    """At least 92 % of 300 trials; `benchmarks/auc_intervals.py` measures more of them."""
    rng = np.random.default_rng(0)
    labels = np.zeros(patients, int)
    labels[:positives] = 1
    shift, hits = stats.norm.ppf(auc) * np.sqrt(2), 0
    names = np.repeat([f"{i}" for i in range(patients)], images).tolist() if images > 1 else None
    shared = np.sqrt(0.7) if images > 1 else 0.0
    for _ in range(300):
        scores = shared * rng.normal(size=(patients, 1)) + np.sqrt(1 - shared**2) * rng.normal(size=(patients, images))
        second = stats.norm.cdf(scores + shift * labels[:, None]).ravel()
        interval = intervals.auc_interval(np.repeat(labels, images), two_columns(second), names)
        hits += interval.low <= auc <= interval.high
    assert hits >= 276


def test_interval_of_one_class_is_undefined():
    assert np.isnan(intervals.auc_interval(np.zeros(5, int), predictions(5)[1]).low)


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
