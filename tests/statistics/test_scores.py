"""Secondary scores and calibration, against scikit-learn and counted by hand."""

import numpy as np
import pytest
from simulated import predictions, two_columns
from sklearn import metrics as sklearn_metrics

from tljax.statistics import scores
from tljax.statistics.shares import share_interval


def test_secondary_scores_equal_scikit_learn():
    labels, probabilities = predictions(200)
    predicted = probabilities.argmax(axis=1)
    found = scores.secondary_scores(labels, probabilities)
    assert found["balanced_accuracy"] == pytest.approx(sklearn_metrics.balanced_accuracy_score(labels, predicted))
    assert found["f1"] == pytest.approx(sklearn_metrics.f1_score(labels, predicted))
    assert found["brier"] == pytest.approx(sklearn_metrics.brier_score_loss(labels, probabilities[:, 1]))
    false, true, _ = sklearn_metrics.roc_curve(labels, probabilities[:, 1], drop_intermediate=False)
    assert found["sensitivity"] == pytest.approx(true[false <= 0.05].max())


def test_secondary_scores_with_a_class_absent():
    labels, probabilities = predictions(200, classes=4)
    kept = labels != 3
    found = scores.secondary_scores(labels[kept], probabilities[kept])
    assert all(0 <= value <= 2 for value in found.values())
    predicted = probabilities[kept].argmax(axis=1)
    f1 = sklearn_metrics.f1_score(labels[kept], predicted, labels=[0, 1, 2], average="macro")
    assert found["f1"] == pytest.approx(f1)
    recalls = [np.mean(probabilities[labels == c].argmax(axis=1) == c) for c in range(3)]
    assert found["balanced_accuracy"] == pytest.approx(np.mean(recalls))
    assert np.isnan(scores.secondary_scores(np.zeros(5, int), probabilities[:5])["sensitivity"])


def test_calibration_error_counted_by_hand():
    probabilities = two_columns([0.95, 0.95, 0.05, 0.35])  # confidence .95 .95 .95 .65
    labels = np.array([1, 0, 0, 0])
    assert scores.calibration_error(labels, probabilities) == pytest.approx(
        0.75 * abs(2 / 3 - 0.95) + 0.25 * abs(1 - 0.65)
    )


def test_the_calibration_curve_does_not_count_seeds_as_new_images():
    labels, probabilities = predictions(300)
    files = [f"{number}.png" for number in range(300)]
    one = scores.calibration_curve(labels, probabilities, files)
    three = scores.calibration_curve(np.tile(labels, 3), np.tile(probabilities, (3, 1)), files * 3)
    assert sum(each.predictions for each in one) == 300 and sum(each.predictions for each in three) == 900
    for once, thrice in zip(one, three, strict=True):
        assert thrice.confidence == pytest.approx(once.confidence) and thrice.right.value == once.right.value
        assert (thrice.right.low, thrice.right.high) == pytest.approx((once.right.low, once.right.high), abs=1e-9)
    inside = [(probabilities.max(axis=1) * 10).astype(int) == b for b in range(5, 10)]
    by_image = [share_interval((probabilities.argmax(axis=1) == labels)[rows]) for rows in inside]
    for once, plain in zip(one, by_image, strict=True):
        assert (once.right.low, once.right.high) == pytest.approx((plain.low, plain.high), abs=0.02)
