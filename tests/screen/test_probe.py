"""Probes equal scikit-learn's, choices use only training images, and nearest neighbours equal a simple computation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier

from tljax.core.errors import UserError
from tljax.datasets.folds import Fold
from tljax.screen import logistic, probe
from tljax.screen.geometry import isometric
from tljax.screen.scores import knn, linear_probe


def problem(count=120, channels=30, classes=2, signal=0.6, seed=0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % classes)
    features = rng.normal(size=(count, channels)) * rng.gamma(1, size=channels)
    return features + signal * rng.normal(size=(classes, channels))[labels], labels


def folds_of(count: int, number: int = 3, seed: int = 0) -> list[Fold]:
    parts = [np.sort(part) for part in np.array_split(np.random.default_rng(seed).permutation(count), number)]
    nothing = np.array([], int)
    return [Fold(np.setdiff1d(np.arange(count), part), nothing, part) for part in parts]


def scaled(features: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """As the probe scales them, without its code."""
    centre = features[rows].mean(axis=0)
    return (features - centre) / np.sqrt(np.square(features[rows] - centre).sum(axis=1).mean())


def test_isometric_points_keep_all_distances():
    for count, channels in ((20, 50), (50, 20)):
        features, _ = problem(count, channels)
        points = isometric(features)
        assert points.shape[1] == min(count - 1, channels)
        gaps = [np.linalg.norm(each[:, None] - each[None], axis=-1) for each in (features, points)]
        np.testing.assert_allclose(*gaps, atol=1e-9)
        np.testing.assert_allclose(points.T @ points, np.diag(np.square(points).sum(0)), atol=1e-8)
    assert isometric(np.ones((5, 3))).shape == (5, 0)


@pytest.mark.parametrize("classes", [2, 3])
def test_every_solution_minimises_its_loss(classes):
    """An independently written gradient is zero for every mask and penalty."""
    features, labels = problem(classes=classes)
    points = isometric(features)
    targets = (labels[:, None] == (np.array([1]) if classes == 2 else np.arange(classes))).astype(float)
    masks = np.random.default_rng(1).random((4, len(labels))) < 0.6
    penalties = np.array([[50.0], [1.0], [0.01]]) * np.linspace(1, 2, 4)
    with jax.enable_x64(True):
        found = logistic.solve(*map(jnp.asarray, (points, targets, masks, penalties, np.array(1e-12))))
    weights, bias = np.asarray(found.weights), np.asarray(found.bias)
    for s in range(3):
        for p in range(4):
            logits = points @ weights[s, :, p] + bias[s, p]
            odds = np.exp(logits)
            probabilities = odds / (1 + odds) if classes == 2 else odds / odds.sum(axis=1, keepdims=True)
            residual = (probabilities - targets) * masks[p][:, None]
            np.testing.assert_allclose(points.T @ residual + penalties[s, p] * weights[s, :, p], 0, atol=1e-5)
            np.testing.assert_allclose(residual.sum(axis=0), 0, atol=1e-5)


@pytest.mark.parametrize(("classes", "channels"), [(2, 30), (2, 200), (3, 30)])
def test_the_auc_equals_that_of_scikit_learn(classes, channels):
    features, labels = problem(120, channels, classes)
    folds = folds_of(120)
    found = linear_probe.score(features.astype(np.float32), labels, folds=folds)
    for fold, auc, strength, told in zip(
        folds, found.folds, *map(found.details.get, ("strengths", "probabilities")), strict=True
    ):
        points = scaled(features.astype(np.float32).astype(float), fold.train)
        fitted = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000).fit(points[fold.train], labels[fold.train])
        expected = fitted.predict_proba(points[fold.test])
        np.testing.assert_allclose(told, expected, atol=1e-4)
        if classes == 2:
            assert auc == pytest.approx(roc_auc_score(labels[fold.test], expected[:, 1]), abs=1e-4)
        else:
            reference = roc_auc_score(labels[fold.test], expected, multi_class="ovr", average="weighted")
            assert auc == pytest.approx(reference, abs=1e-4)
    assert found.value == pytest.approx(np.mean(found.folds))


def test_the_strength_has_the_smallest_inner_log_loss():
    features, labels = problem(signal=0.3)
    folds = folds_of(120)
    found = probe.fit(features, labels, [fold.train for fold in folds])
    for fold, chosen in zip(folds, found.strengths, strict=True):
        points = scaled(features, fold.train)
        losses = np.zeros(len(probe.STRENGTHS))
        for fitted, held_out in probe.inner_folds(labels, fold.train, None, 0):
            for number, strength in enumerate(probe.STRENGTHS):
                model = LogisticRegression(C=strength, tol=1e-9, max_iter=5000).fit(points[fitted], labels[fitted])
                told = model.predict_log_proba(points[held_out])
                losses[number] -= told[np.arange(len(held_out)), labels[held_out]].sum()
        assert chosen == probe.STRENGTHS[losses.argmin()]


def test_a_probe_depends_only_on_its_own_training_images():
    """Changed labels and features of images that are left out do not change the predictions for the others."""
    features, labels = problem()
    sets = [np.arange(80), np.arange(0, 80, 2), np.arange(10, 80)]
    found = probe.fit(features, labels, sets)
    changed = features.copy()
    changed[80:] = 17 * np.random.default_rng(5).normal(size=changed[80:].shape)
    other = np.concatenate([labels[:80], 1 - labels[80:]])
    again = probe.fit(changed, other, [sets[0], np.arange(20, 80), sets[0][::-1]])
    np.testing.assert_allclose(again.probabilities[0, :80], found.probabilities[0, :80], atol=1e-6)
    assert again.strengths[0] == found.strengths[0]


def test_inner_folds_keep_groups_together_and_every_image_once():
    _, labels = problem(100)
    groups, rows = np.arange(100) // 5, np.arange(0, 90)
    parts = list(probe.inner_folds(labels, rows, groups, 0))
    assert sorted(np.concatenate([held_out for _, held_out in parts])) == list(rows)
    for fitted, held_out in parts:
        assert not set(groups[fitted]) & set(groups[held_out])
        assert not set(fitted) & set(held_out)


def test_a_class_of_one_image_gives_the_default_strength():
    features, labels = problem()
    labels = np.where(np.arange(120) == 3, 1, 0)
    found = probe.fit(features, labels, [np.arange(30)] * 15)
    assert found.strengths[0] == 10 and np.isfinite(found.probabilities).all()


def test_features_that_cannot_be_probed_give_a_message():
    features, labels = problem(40)
    with pytest.raises(UserError, match="have one class"):
        probe.fit(features, labels, [np.flatnonzero(labels == 0)])
    with pytest.raises(UserError, match="same features"):
        probe.fit(np.ones((40, 3)), labels, [np.arange(20)])


def test_neighbours_equal_those_of_scikit_learn():
    features, labels = problem(120, 10, 3)
    folds = folds_of(120)
    found = knn.score(features, labels, folds=folds)
    for fold, auc, k in zip(folds, found.folds, found.details["k"], strict=True):
        model = KNeighborsClassifier(k, metric="cosine").fit(features[fold.train], labels[fold.train])
        expected = model.predict_proba(features[fold.test])
        assert auc == pytest.approx(roc_auc_score(labels[fold.test], expected, multi_class="ovr", average="weighted"))


def test_k_is_chosen_without_the_image_itself_or_its_group():
    """Each image has a copy with the same label and group. If it counted, one neighbour would always be right."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(60) % 2).repeat(2)
    features = rng.normal(size=(60, 5)).repeat(2, axis=0)
    features[:, 0] += labels
    fold = Fold(np.arange(80), np.array([], int), np.arange(80, 120))
    own = knn.neighbours(features, fold.train, fold.train, np.arange(120) // 2)
    assert not (own // 2 == (fold.train // 2)[:, None]).any()
    assert knn.score(features, labels, folds=[fold]).details["k"] == [1]
    assert knn.score(features, labels, folds=[fold], groups=np.arange(120) // 2).details["k"][0] > 1
