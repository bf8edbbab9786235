"""DeLong's test against pROC, its definition, and simulation."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from simulated import predictions, two_columns

from tljax.statistics import metrics
from tljax.statistics.delong import FoldPredictions, delong
from tljax.statistics.estimates import Comparison, both_show

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "statistics_proc.json").read_text())


@pytest.mark.parametrize("case", ["plain", "tied"])
def test_delong_equals_proc(case):
    golden = {key: np.array(value) for key, value in GOLDEN[case].items()}
    first, second = two_columns(golden["first"]), two_columns(golden["second"])
    test = delong([FoldPredictions(golden["labels"], (first, second))])
    assert test.value == pytest.approx(golden["aucs"][0] - golden["aucs"][1], abs=1e-12)
    assert test.value / test.standard_error == pytest.approx(golden["z"][0], abs=1e-8)
    assert test.p == pytest.approx(golden["p"][0], abs=1e-8)


def test_delong_variance_equals_the_definition_over_all_pairs():
    """The covariance computed over all pairs of a positive and a negative, as in the paper of 1988."""
    labels, first = predictions(70, seed=1)
    _, second = predictions(70, seed=2)
    positive, negative = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)

    def kernel(probabilities):
        difference = probabilities[positive, 1][:, None] - probabilities[negative, 1][None]
        return (difference > 0) + 0.5 * (difference == 0)

    kernels = [kernel(first), kernel(second)]
    covariance = sum(np.cov([k.mean(axis=axis) for k in kernels]) / kernels[0].shape[1 - axis] for axis in (0, 1))
    contrast = np.array([1, -1])
    test = delong([FoldPredictions(labels, (first, second))])
    assert test.standard_error**2 == pytest.approx(contrast @ covariance @ contrast, rel=1e-10)
    assert test.low == pytest.approx(test.value - 1.959963984540054 * test.standard_error)


def test_delong_by_patient_is_unchanged_by_copies_of_images():
    labels, first = predictions(80, seed=3)
    _, second = predictions(80, seed=4)
    patients = [f"patient {i}" for i in range(80)]
    once = delong([FoldPredictions(labels, (first, second), patients)])
    thrice = [np.repeat(values, 3, axis=0) for values in (labels, first, second)]
    copied = delong([FoldPredictions(thrice[0], thrice[1:], np.repeat(patients, 3).tolist())])
    assert copied.value == pytest.approx(once.value)
    assert copied.standard_error == pytest.approx(once.standard_error)
    assert delong([FoldPredictions(thrice[0], thrice[1:])]).standard_error < 0.7 * once.standard_error


def test_delong_averages_over_folds_and_leaves_out_undefined_folds():
    folds = []
    for seed in range(3):
        labels, first = predictions(60, seed=seed)
        folds.append(FoldPredictions(labels, (first, predictions(60, seed=10 + seed)[1])))
    one_class = FoldPredictions(np.zeros(9, int), (first[:9], first[:9]))
    each = [delong([fold]) for fold in folds]
    test = delong([*folds, one_class])
    assert test.value == pytest.approx(np.mean([t.value for t in each]))
    assert test.standard_error == pytest.approx(np.sqrt(np.sum([t.standard_error**2 for t in each])) / 3)
    assert np.isnan(delong([one_class]).p)


def test_delong_of_three_classes_rejects_equal_networks_at_the_nominal_rate():
    """Two equally good networks: about 5 % of the p-values of the one-vs-rest difference are below 0.05."""
    rejected = 0
    for seed in range(400):
        labels, first = predictions(120, classes=3, seed=seed)
        noise = np.random.default_rng(10_000 + seed).normal(size=(120, 3)) + np.eye(3)[labels]
        second = np.exp(noise) / np.exp(noise).sum(axis=1, keepdims=True)
        rejected += delong([FoldPredictions(labels, (first, second))]).p < 0.05
    assert 0.02 <= rejected / 400 <= 0.085


def test_delong_of_several_seeds_compares_their_mean_auc():
    """The mean over seeds favours the first network, the lowest seed alone the second."""
    labels, weak = predictions(200, signal=0.9, seed=1)
    strong, second = predictions(200, signal=3.0, seed=1)[1], predictions(200, signal=1.2, seed=1)[1]
    first = np.stack([weak, strong, strong])
    test = delong([FoldPredictions(labels, (first, second[None]))])
    lowest = delong([FoldPredictions(labels, (weak, second))])
    each = [metrics.auc(labels, seed) - metrics.auc(labels, second) for seed in first]
    assert lowest.value < 0 < test.value
    assert test.value == pytest.approx(np.mean(each))
    t = Comparison(0.05, 0.01, 0.09, 0.01, 0.02)
    assert both_show(t, test) and not both_show(t, lowest)
    repeated = delong([FoldPredictions(labels, (np.stack([strong] * 3), second))])
    assert repeated == delong([FoldPredictions(labels, (strong, second))])


def test_both_show_needs_two_significant_tests_with_the_same_sign():
    found = Comparison(0.05, 0.01, 0.09, 0.01, 0.02)
    against, unknown = replace(found, value=-0.05), replace(found, p=float("nan"))
    assert both_show(found, found)
    assert not both_show(found, against)
    assert not both_show(found, unknown) and not both_show(unknown, found)


def test_delong_of_identical_rankings_is_zero_with_unknown_interval():
    labels, probabilities = predictions(50)
    test = delong([FoldPredictions(labels, (probabilities, probabilities))])
    assert test.value == 0 and np.isnan([test.low, test.high, test.p, test.standard_error]).all()


@pytest.mark.parametrize("patients", [None, [*"abcdefghi", *"zzz"]])
def test_delong_is_undefined_if_a_class_has_one_patient(patients):
    labels = np.array([0] * 9 + [1] * (3 if patients else 1))
    right, wrong = two_columns(labels), two_columns(1 - labels)
    one = FoldPredictions(labels, (right, wrong), patients)
    assert np.isnan(delong([one]).p) and np.isnan(delong([one]).low)
    labels, first = predictions(60)
    other = FoldPredictions(labels, (first, predictions(60, seed=1)[1]))
    assert delong([one, other]) == delong([other])
