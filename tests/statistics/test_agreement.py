"""Prediction similarity: counted by hand, against scikit-learn and statsmodels, and in simulation."""

import itertools

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats import contingency_tables
from statsmodels.stats.proportion import proportion_confint

from tljax.core.errors import UserError
from tljax.statistics.agreement import agreement, mcnemar
from tljax.statistics.shares import effective_images

LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1])
FIRST = np.array([0, 0, 0, 1, 1, 1, 0, 1])  # right on 6 of 8
SECOND = np.array([0, 1, 0, 1, 1, 1, 1, 0])  # right on 5 of 8


def test_shares_equal_a_count_by_hand():
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


def test_agreement_of_independent_errors_equals_the_independent_baseline():
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=200_000)

    def predict(accuracy):
        wrong = (labels + rng.integers(1, 3, size=len(labels))) % 3
        return np.where(rng.random(len(labels)) < accuracy, labels, wrong)

    result = agreement(labels, predict(0.9), predict(0.6))
    assert result.observed == pytest.approx(result.independent, abs=0.005)
    assert abs(result.observed - result.authors_independent) > 0.2


def test_agreement_of_errors_independent_within_a_class_equals_the_baseline_within_class():
    """Sensitivity 0.35, specificity 0.97, prevalence 0.27: 0.835, where the accuracies alone give 0.683."""
    rng = np.random.default_rng(0)
    labels = (rng.random(200_000) < 0.27).astype(int)

    def predict():
        right = rng.random(len(labels)) < np.where(labels == 1, 0.35, 0.97)
        return np.where(right, labels, 1 - labels)

    result = agreement(labels, predict(), predict())
    assert result.independent_within_class == pytest.approx(0.835, abs=0.003)
    assert result.observed == pytest.approx(result.independent_within_class, abs=0.003)
    assert result.independent == pytest.approx(0.683, abs=0.003)


def test_mcnemar_by_patient_equals_an_enumeration_of_all_swaps():
    """Eight patients: all 256 swaps are enumerated."""
    rng = np.random.default_rng(5)
    right1, right2 = rng.random(40) < 0.8, rng.random(40) < 0.6
    patients = np.repeat(list("abcdefgh"), 5)
    differences = [right1[patients == p].sum() - right2[patients == p].sum() for p in "abcdefgh"]
    totals = [abs(np.dot(signs, differences)) for signs in itertools.product((1, -1), repeat=8)]
    expected = np.mean(np.array(totals) >= abs(sum(differences)))
    assert mcnemar(right1, right2, patients.tolist()) == pytest.approx(expected, abs=1e-12)


def test_mcnemar_equals_the_exact_test_for_single_images_and_obuchowskis_for_many_patients():
    rng = np.random.default_rng(6)
    right1, right2 = rng.random(300) < 0.8, rng.random(300) < 0.74
    patients = [f"{number}" for number in range(300)]
    assert mcnemar(right1, right2, patients) == pytest.approx(mcnemar(right1, right2), abs=1e-12)
    of_patient = np.repeat(np.arange(150), 2)
    d = np.bincount(of_patient, weights=right1.astype(int) - right2)
    z = abs(d.sum()) / np.sqrt(150 / 149 * np.square(d).sum())
    assert mcnemar(right1, right2, of_patient.astype(str).tolist()) == pytest.approx(2 * stats.norm.sf(z), abs=0.03)


@pytest.mark.parametrize(("patients", "images"), [(100, 5), (60, 20), (30, 50)])
def test_mcnemar_by_patient_keeps_its_level_with_correlated_images(patients, images):
    """Two equally accurate networks: p < 0.05 in about 5 % of 300 trials, but far more often by image."""
    rng = np.random.default_rng(7)
    names, found = np.repeat(np.arange(patients), images).astype(str).tolist(), {"by patient": 0, "by image": 0}
    for _ in range(300):
        right = [rng.random(patients * images) < np.repeat(rng.beta(1.6, 0.4, patients), images) for _ in range(2)]
        found["by patient"] += mcnemar(*right, names) < 0.05
        found["by image"] += mcnemar(*right) < 0.05
    assert 3 <= found["by patient"] <= 27
    assert found["by image"] > 45


def test_kappa_and_mcnemar_equal_scikit_learn_and_statsmodels():
    rng = np.random.default_rng(1)
    labels, first, second = rng.integers(4, size=(3, 120))
    result = agreement(labels, first, second)
    right1, right2 = first == labels, second == labels
    table = [[np.sum(a & b) for b in (right2, ~right2)] for a in (right1, ~right1)]
    assert result.kappa == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)
    assert result.mcnemar_p == pytest.approx(contingency_tables.mcnemar(table, exact=True).pvalue, abs=1e-12)


def test_kappa_of_two_constant_predictions_is_undefined():
    assert np.isnan(agreement(np.zeros(4, int), np.zeros(4, int), np.zeros(4, int)).kappa)


def test_interval_by_patient_with_one_image_each_is_close_to_the_interval_by_image():
    rng = np.random.default_rng(2)
    labels, first, second = rng.integers(2, size=(3, 400))
    by_image = agreement(labels, first, second)
    by_patient = agreement(labels, first, second, patients=[f"p{i}" for i in range(400)])
    assert (by_image.low, by_image.high) == pytest.approx((by_patient.low, by_patient.high), abs=1e-3)


def test_interval_of_identical_patients_does_not_vanish():
    """A variance of 0 up to rounding: 100 patients with three images, of which two agree."""
    same = np.tile([True, True, False], 100)
    labels = np.zeros(300, int)
    result = agreement(labels, labels, np.where(same, 0, 1), np.repeat(np.arange(100), 3).astype(str).tolist())
    assert result.high - result.low > 0.1


def test_effective_images_are_at_most_the_number_of_images():
    rng = np.random.default_rng(3)
    for _ in range(50):
        same, patients = rng.random(60) < 0.7, np.repeat(np.arange(20), 3).astype(str).tolist()
        assert effective_images(same, patients) <= 60


def test_interval_of_one_patient_is_0_to_1():
    result = agreement(LABELS, FIRST, SECOND, ["p"] * 8)
    assert (result.low, result.high) == (0, 1)


@pytest.mark.parametrize("patients", [3, 5, 20])
def test_intervals_of_few_patients_cover_the_true_share(patients):
    """At least 94 % of 1000 draws, with correlated images of a patient."""
    rng = np.random.default_rng(4)
    hits = 0
    for _ in range(1000):
        sizes = rng.integers(2, 7, patients)
        shares = rng.beta(2.25, 0.75, patients)  # 0.75 on average
        same = rng.random(sizes.sum()) < np.repeat(shares, sizes)
        images = effective_images(same, np.repeat(np.arange(patients), sizes).astype(str).tolist())
        low, high = proportion_confint(same.mean() * images, images, method="wilson")
        hits += low <= 0.75 <= high
    assert hits >= 940


@pytest.mark.parametrize("cut", [(0, 0, 0, 0), (8, 8, 8, 7)])  # jaxtyping refuses other combinations
def test_empty_input_and_different_lengths_are_refused(cut):
    labels, first, second, patients = (
        values[:end] for values, end in zip((LABELS, FIRST, SECOND, list("abcdefgh")), cut, strict=True)
    )
    with pytest.raises(UserError, match="must have the same length"):
        agreement(labels, first, second, patients)


def test_interval_by_patient_is_unchanged_by_copies_of_images():
    patients = [str(i) for i in range(8)]
    once = agreement(LABELS, FIRST, SECOND, patients)
    copied = agreement(*(np.repeat(values, 10) for values in (LABELS, FIRST, SECOND)), np.repeat(patients, 10).tolist())
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high))


def test_interval_by_image_is_wilsons():
    result = agreement(LABELS, FIRST, SECOND)
    assert (result.low, result.high) == pytest.approx(proportion_confint(5, 8, method="wilson"))
