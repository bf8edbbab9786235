"""Scores against scikit-learn and Keras, and on cases small enough to count by hand."""

import numpy as np
import pytest
from simulated import predictions
from sklearn import metrics as sklearn_metrics

from tljax.statistics import metrics


def rounded(images, classes, decimals=None, seed=0):
    """Simulated predictions; `decimals` rounds the probabilities so that many are tied."""
    labels, probabilities = predictions(images, classes, signal=1.2, seed=seed)
    return labels, probabilities if decimals is None else probabilities.round(decimals)


def test_auroc_counts_pairs_and_halves_ties():
    positive = np.array([True, True, False, False])
    assert metrics.auroc(positive, np.array([0.9, 0.5, 0.5, 0.1])) == (1 + 1 + 0.5 + 1) / 4


@pytest.mark.parametrize("decimals", [None, 1])
def test_binary_auc_equals_scikit_learn(decimals):
    labels, probabilities = rounded(300, 2, decimals)
    expected = sklearn_metrics.roc_auc_score(labels, probabilities[:, 1])
    assert metrics.auc(labels, probabilities) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("classes", [3, 7])
def test_multi_class_auc_equals_scikit_learn_one_vs_rest_weighted(classes):
    labels, probabilities = rounded(300, classes)
    expected = sklearn_metrics.roc_auc_score(labels, probabilities, multi_class="ovr", average="weighted")
    assert metrics.auc(labels, probabilities) == pytest.approx(expected, abs=1e-12)


def test_multi_class_auc_leaves_out_an_absent_class():
    labels, probabilities = rounded(300, 4)
    present = labels != 2
    labels, probabilities = labels[present], probabilities[present]
    each = [sklearn_metrics.roc_auc_score(labels == c, probabilities[:, c]) for c in (0, 1, 3)]
    expected = np.average(each, weights=[np.mean(labels == c) for c in (0, 1, 3)])
    assert metrics.auc(labels, probabilities) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
def test_auc_of_one_class_is_undefined(classes):
    _, probabilities = rounded(5, classes)
    assert np.isnan(metrics.auc(np.zeros(5, int), probabilities))


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("decimals", [None, 2])
def test_auc_keras_equals_keras(classes, decimals):
    from keras.metrics import AUC

    labels, probabilities = rounded(300, classes, decimals, seed=classes)
    reference = AUC()
    reference.update_state(np.eye(classes, dtype=np.float32)[labels], probabilities.astype(np.float32))
    assert metrics.auc_keras(labels, probabilities) == pytest.approx(float(reference.result()), abs=1e-6)


def test_auc_keras_of_perfect_and_reversed_predictions():
    labels = np.array([0, 1])
    assert metrics.auc_keras(labels, np.eye(2)) == 1.0
    assert metrics.auc_keras(labels, 1 - np.eye(2)) == 0.0


def test_accuracy_and_log_loss():
    labels = np.array([0, 1, 1])
    probabilities = np.array([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9]])
    assert metrics.accuracy(labels, probabilities) == pytest.approx(2 / 3)
    assert metrics.log_loss(labels, probabilities) == pytest.approx(sklearn_metrics.log_loss(labels, probabilities))
    assert np.isfinite(metrics.log_loss(np.array([1]), np.array([[1.0, 0.0]])))
