"""The interval of the AUC of one run, against DeLong's, Newcombe's formula, and simulation."""

import numpy as np
import pytest
from scipy import stats
from simulated import predictions, two_columns

from tljax.statistics.auc_interval import auc_interval
from tljax.statistics.delong import FoldPredictions, delong


def test_auc_interval_of_many_images_is_as_wide_as_delongs():
    labels, probabilities = predictions(4000, signal=0.8)
    interval = auc_interval(labels, probabilities)
    coin = np.full_like(probabilities, 0.5)
    test = delong([FoldPredictions(labels, (probabilities, coin))])
    assert interval.high - interval.low == pytest.approx(test.high - test.low, rel=0.03)


def test_auc_interval_equals_newcombes_method_5():
    """With many images the quantile is normal: both ends are 1.96 standard errors from the observed AUC."""
    labels = np.repeat([1, 0], [4000, 6000])
    scores = stats.norm.cdf(np.random.default_rng(0).normal(size=10_000) + 1.2 * labels)
    interval = auc_interval(labels, two_columns(scores))
    for end in (interval.low, interval.high):
        mean = (4000 + 6000) / 2 - 1
        variance = end * (1 - end) * (1 + mean * (1 - end) / (2 - end) + mean * end / (1 + end)) / (4000 * 6000)
        assert abs(end - interval.value) == pytest.approx(1.96 * np.sqrt(variance), rel=0.02)


def test_auc_interval_by_patient_is_unchanged_by_copies_of_images():
    labels, probabilities = predictions(60)
    once = auc_interval(labels, probabilities)
    patients = np.repeat([f"{i}" for i in range(60)], 4).tolist()
    copies = auc_interval(np.repeat(labels, 4), np.repeat(probabilities, 4, axis=0), patients)
    assert (copies.low, copies.high) == pytest.approx((once.low, once.high), abs=0.01)


def test_auc_interval_of_three_classes_combines_the_one_vs_rest_intervals():
    """The interval is about as wide as for independent AUCs, and narrower than that of the least certain class."""
    labels, probabilities = predictions(900, classes=3, signal=1.5)
    interval = auc_interval(labels, probabilities)
    each = [auc_interval((labels == c).astype(int), two_columns(probabilities[:, c])) for c in range(3)]
    independent = np.sqrt(sum((e.high - e.low) ** 2 * np.mean(labels == c) ** 2 for c, e in enumerate(each)))
    assert independent * 0.9 < interval.high - interval.low < max(e.high - e.low for e in each)


def test_auc_interval_of_a_perfect_run_is_not_a_point():
    labels = np.array([0] * 10 + [1] * 20)
    interval = auc_interval(labels, two_columns(labels))
    assert interval.high == 1.0 and 0.6 < interval.low < 0.9
    worst = auc_interval(labels, two_columns(1 - labels))
    assert worst.low == 0.0 and worst.high == pytest.approx(1 - interval.low)
    fewer = auc_interval(labels, two_columns(labels), ["a"] * 10 + ["b"] * 10 + ["c"] * 10)
    assert fewer.high - fewer.low > 0.9  # one patient of the first class says nothing about others


@pytest.mark.parametrize(
    ("patients", "images", "positives", "auc"),
    [(125, 1, 6, 0.9), (400, 1, 20, 0.95), (10, 30, 4, 0.8), (125, 1, 50, 0.9)],
)
def test_auc_interval_covers_the_truth_with_few_positives_or_patients(patients, images, positives, auc):
    """At least 92 % of 300 trials; `benchmarks/auc_intervals.py` measures more cases."""
    rng = np.random.default_rng(0)
    labels = np.zeros(patients, int)
    labels[:positives] = 1
    shift, hits = stats.norm.ppf(auc) * np.sqrt(2), 0
    names = np.repeat([f"{i}" for i in range(patients)], images).tolist() if images > 1 else None
    shared = np.sqrt(0.7) if images > 1 else 0.0
    for _ in range(300):
        scores = shared * rng.normal(size=(patients, 1)) + np.sqrt(1 - shared**2) * rng.normal(size=(patients, images))
        second = stats.norm.cdf(scores + shift * labels[:, None]).ravel()
        interval = auc_interval(np.repeat(labels, images), two_columns(second), names)
        hits += interval.low <= auc <= interval.high
    assert hits >= 276


def test_auc_interval_of_one_class_is_undefined():
    assert np.isnan(auc_interval(np.zeros(5, int), predictions(5)[1]).low)
