"""Prediction similarity: counted by hand, against scikit-learn and statsmodels, and in simulation."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from tljax.agreement import agreement, cohen_kappa

LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1])
FIRST = np.array([0, 0, 0, 1, 1, 1, 0, 1])  # right on 6 of 8
SECOND = np.array([0, 1, 0, 1, 1, 1, 1, 0])  # right on 5 of 8


def test_shares_counted_by_hand():
    result = agreement(LABELS, FIRST, SECOND)
    assert result.n == 8
    assert result.observed == 5 / 8
    assert result.independent == pytest.approx(6 / 8 * 5 / 8 + 2 / 8 * 3 / 8)
    assert result.authors_independent == pytest.approx((6 / 8) ** 2 + (2 / 8) ** 2)


def test_swapping_the_networks_changes_only_the_authors_baseline():
    there, back = agreement(LABELS, FIRST, SECOND), agreement(LABELS, SECOND, FIRST)
    assert there.independent == back.independent
    assert there.kappa == pytest.approx(back.kappa)
    assert there.mcnemar_p == back.mcnemar_p
    assert there.authors_independent != back.authors_independent


def test_a_network_agrees_with_itself():
    result = agreement(LABELS, FIRST, FIRST)
    assert (result.observed, result.kappa, result.mcnemar_p) == (1.0, 1.0, 1.0)
    assert result.low < 1.0 and result.high == pytest.approx(1.0)


def test_independent_errors_meet_the_independent_baseline():
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=200_000)

    def predict(accuracy):
        wrong = (labels + rng.integers(1, 3, size=len(labels))) % 3
        return np.where(rng.random(len(labels)) < accuracy, labels, wrong)

    result = agreement(labels, predict(0.9), predict(0.6))
    assert result.observed == pytest.approx(result.independent, abs=0.005)
    assert abs(result.observed - result.authors_independent) > 0.2


def test_kappa_and_mcnemar_equal_the_libraries():
    rng = np.random.default_rng(1)
    labels, first, second = rng.integers(4, size=(3, 120))
    result = agreement(labels, first, second)
    right1, right2 = first == labels, second == labels
    table = [[np.sum(a & b) for b in (right2, ~right2)] for a in (right1, ~right1)]
    assert result.kappa == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)
    assert result.mcnemar_p == pytest.approx(mcnemar(table, exact=True).pvalue, abs=1e-12)


def test_kappa_of_two_constant_raters_is_undefined():
    assert np.isnan(cohen_kappa(np.zeros(4, int), np.zeros(4, int)))


def test_one_image_a_patient_is_nearly_the_interval_by_image():
    rng = np.random.default_rng(2)
    labels, first, second = rng.integers(2, size=(3, 400))
    by_image = agreement(labels, first, second)
    by_patient = agreement(labels, first, second, patients=[f"p{i}" for i in range(400)])
    assert (by_image.low, by_image.high) == pytest.approx((by_patient.low, by_patient.high), abs=1e-3)


def test_copies_of_an_image_add_no_certainty():
    patients = [str(i) for i in range(8)]
    once = agreement(LABELS, FIRST, SECOND, patients)
    copied = agreement(*(np.repeat(values, 10) for values in (LABELS, FIRST, SECOND)), np.repeat(patients, 10).tolist())
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high))


def test_interval_is_wilson_by_image():
    result = agreement(LABELS, FIRST, SECOND)
    assert (result.low, result.high) == pytest.approx(proportion_confint(5, 8, method="wilson"))
